"""The base that comes along: where it begins, and what it writes for catalogs that it never saw."""

import re
from pathlib import Path

import pytest
import torch
from copybandit.policies.base.start import BASE, FOLDER, first_writer, load_base
from copybandit.policies.base.taught import is_named
from copybandit.policies.compliance.claims import Claims
from copybandit.policies.writer.prompts import prompt
from copybandit.policies.writer.writer import Writer, WriterConfig
from copybandit.simulation.data.catalog import Catalog
from copybandit.simulation.reader.garbled import GarbledCopy
from copybandit.simulation.scenario import load_scenario

UNSEEN = Path(__file__).parents[1] / "data" / "unseen"
CONFIG = WriterConfig()


@pytest.fixture(scope="module")
def base() -> Writer:
    return load_base(CONFIG)


def test_an_english_catalog_begins_with_the_base(base: Writer) -> None:
    writer, note = first_writer(load_scenario("travel")[1], CONFIG, seed=0)
    assert writer.has_placeholders
    assert note == ""
    assert writer.fingerprint() == base.fingerprint()


def test_another_language_begins_with_nothing_and_says_so() -> None:
    writer, note = first_writer(load_scenario("chafang")[1], CONFIG, seed=0)
    assert not writer.has_placeholders
    assert not writer.pretrained
    assert "English alone" in note


def test_what_is_asked_for_comes_without_a_note() -> None:
    writer, note = first_writer(load_scenario("shop")[1], CONFIG, seed=0, model="built-in")
    assert (writer.pretrained, note) == (False, "")
    assert BASE != "built-in"


@pytest.mark.parametrize("name", ["instruments", "sewing", "portraits"])
def test_it_writes_english_that_is_true_for_catalogs_that_it_never_saw(base: Writer, name: str) -> None:
    """The simulated readers judge, by a network of another form that no writer was tuned on here."""
    catalog = Catalog.read(UNSEEN / f"{name}.csv")
    products = [product for product in catalog.products for _ in range(12)]
    written = base.write(products, ["everyone"] * len(products), generator=torch.Generator().manual_seed(0))
    readers, texts = GarbledCopy(catalog), [creative.text for creative in written]
    readers.judges = True  # a list of titles alone has not the function words by which English is told
    assert float((readers.read(texts) < 0.5).float().mean()) >= 0.9
    figures = [
        all(figure in prompt(product) for figure in re.findall(r"\d+(?:[.,]\d+)*", text))
        for product, text in zip(products, texts, strict=True)
    ]
    assert sum(figures) >= 0.98 * len(figures)
    claims = Claims(catalog)
    assert sum(bool(claims.unsupported(creative)) for creative in written) <= 0.08 * len(written)
    named = [is_named(product.title, text) for product, text in zip(products, texts, strict=True)]
    assert sum(named) >= 0.9 * len(named)
    assert len(set(texts)) >= 0.9 * len(texts)


def test_it_is_small_and_says_how_it_was_made() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 25_000_000
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "copybandit pretrain" in card
    assert "license: apache-2.0" in card
