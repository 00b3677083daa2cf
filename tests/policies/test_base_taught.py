"""The teacher: what it learns from is true, what it wrote is kept when it is good, and it goes on where it was."""

from pathlib import Path

import pytest
import torch
from copybandit.policies.base.corpus import read_rows
from copybandit.policies.base.taught import BATCH, Teacher, is_good, is_true, lesson, nats_a_character, teach
from copybandit.policies.writer.writer import Writer, WriterConfig, make_writer, own_weights
from copybandit.simulation.data.catalog import Catalog, Product

KETTLE = Product("k", "steel kettle", "kitchen", 40.0, "Brewmont", "", (("capacity", "1.5 L"),))


@pytest.fixture
def small(tiny_catalog: Catalog) -> Writer:
    return make_writer(
        tiny_catalog, WriterConfig(layers=1, width=32, heads=2, vocabulary=400, max_new_tokens=8), seed=0
    )


def test_it_learns_from_lines_that_are_true() -> None:
    given = lesson(0)
    assert len(given.ads) > 800
    for ad in given.ads:
        assert is_true(ad.text, given[ad.product_id]) or not ad.text.isascii(), ad


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("The steel kettle holds 1.5 litres.", True),
        ("The steel kettle holds 2 litres.", False),
        ("The steel kettle holds 1.5 litres and", False),
        ("Mornings start with a slow cup of tea.", False),
        ("A kettle.", False),
        ("The best kettle ever!! You must buy it!!", False),
        ("The steel kettle with a lifetime warranty.", False),
        ("The steel kettle that Oldmarch would like.", False),
        ("A copper kettle for slow mornings.", False),
    ],
)
def test_what_is_kept(text: str, good: bool) -> None:
    assert is_good(text, KETTLE) is good


def test_likelihood_is_that_of_the_text_alone_whatever_it_stands_beside(small: Writer) -> None:
    texts = ["A knife.", "A much longer line about a knife and a pan.", "A tent for two."]
    together = nats_a_character(small, texts)
    assert together == pytest.approx([nats_a_character(small, [text])[0] for text in texts], rel=1e-4)
    assert nats_a_character(small, []) == []


def test_it_goes_on_where_it_was_broken_off(tmp_path: Path, small: Writer) -> None:
    teacher = Teacher(small, own_weights(small), 9.0)
    teach(teacher, tmp_path / "whole.gz", products=3 * BATCH, seed=0)
    teach(teacher, tmp_path / "parts.gz", products=BATCH, seed=0)
    teach(teacher, tmp_path / "parts.gz", products=3 * BATCH, seed=0)
    assert read_rows(tmp_path / "parts.gz") == read_rows(tmp_path / "whole.gz")
    assert {row["batch"] for row in read_rows(tmp_path / "parts.gz")} == {0, 1, 2}


def test_it_is_judged_by_what_it_was_before(tmp_path: Path, small: Writer) -> None:
    learned = own_weights(small)
    before = {name: torch.zeros_like(weight) for name, weight in learned.items()}
    teach(Teacher(small, before, 9.0), tmp_path / "a.gz", products=BATCH, seed=0)
    for name, weight in own_weights(small).items():
        torch.testing.assert_close(weight, learned[name])
