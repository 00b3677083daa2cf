"""Pretraining in small: rows share their prompts, a break changes nothing, and what is kept is read back."""

from pathlib import Path

import pytest
import torch
from copybandit.policies.base.corpus import Line, corpus
from copybandit.policies.base.keep import save_base
from copybandit.policies.base.pretrain import PretrainConfig, batches, encode, loss_on, pretrain, rate
from copybandit.policies.learning.supervised import nats_a_token
from copybandit.policies.tuning.training_state import StateDirectory
from copybandit.policies.writer.writer import Writer, WriterConfig, make_writer, own_weights
from copybandit.simulation.data.catalog import Catalog

SIZES = WriterConfig(layers=2, width=48, heads=2, vocabulary=600, max_new_tokens=12)
CONFIG = PretrainConfig(lines=480, batch=16, learning_rate=3e-3, evaluate_every=10)


@pytest.fixture(scope="module")
def small() -> list[Line]:
    return corpus(products=12, lines_each=8, seed=1)


@pytest.fixture(scope="module")
def base(small: list[Line]) -> Writer:
    return pretrain(small, SIZES, CONFIG, seed=0)


def test_the_held_out_loss_falls(small: list[Line]) -> None:
    seen: list[float] = []
    pretrain(small, SIZES, CONFIG, seed=0, told=lambda step, figures: seen.append(figures["held_out"]))
    assert len(seen) == 3
    assert seen[-1] < seen[0]


def test_answers_that_share_a_prompt_cost_what_they_cost_alone(base: Writer) -> None:
    lines = [Line("oak desk | Acme =>", text) for text in ("A desk.", "It stands.", "Oak, and no more.")]
    rows = encode(base, lines)
    assert [len(row.answers) for row in rows] == [3]
    sizes = torch.tensor([float(len(answer)) for answer in rows[0].answers])
    alone = torch.stack([nats_a_token(base, [line.prompt], [line.text], 128).detach() for line in lines])
    assert loss_on(base, rows) == pytest.approx(float((alone * sizes).sum() / sizes.sum()), rel=1e-4)


def test_a_pass_holds_every_row_once_and_goes_on_where_it_was(base: Writer, small: list[Line]) -> None:
    rows = encode(base, small)
    each = -(-len(rows) // 4)
    stream = batches(rows, 16, seed=0)
    first = [next(stream) for _ in range(each + 2)]
    assert sorted(id(row) for batch in first[:each] for row in batch) == sorted(id(row) for row in rows)
    later = batches(rows, 16, seed=0, first=each + 1)
    assert next(later) == first[each + 1]


def test_a_run_that_was_broken_off_ends_with_the_same_weights(tmp_path: Path, base: Writer, small: list[Line]) -> None:
    states = StateDirectory(tmp_path / "states", {"corpus": "small"})

    def break_off(step: int, figures: dict[str, float]) -> None:
        if step == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(small, SIZES, CONFIG, seed=0, states=states, told=break_off)
    state = states.latest()
    assert state is not None
    assert state.step == 10
    again = pretrain(small, SIZES, CONFIG, seed=0, states=states)
    for name, weight in own_weights(base).items():
        torch.testing.assert_close(own_weights(again)[name], weight)


def test_the_rate_goes_up_stays_and_comes_down() -> None:
    assert rate(0, 1000) == pytest.approx(1 / 100)
    assert rate(500, 1000) == 1.0
    assert rate(850, 1000) == pytest.approx(0.5)
    assert rate(999, 1000) == pytest.approx(1 / 300)


def test_what_is_kept_is_read_back(tmp_path: Path, base: Writer, tiny_catalog: Catalog) -> None:
    before = own_weights(base)
    save_base(base, tmp_path / "base", "copybandit pretrain --seed 0", {"lines": 96})
    read = make_writer(tiny_catalog, SIZES, seed=0, model=str(tmp_path / "base"))
    for name, weight in own_weights(read).items():
        assert weight.dtype == torch.float32
        torch.testing.assert_close(weight, before[name].half().float())
    card = (tmp_path / "base" / "README.md").read_text()
    assert "copybandit pretrain --seed 0" in card
    assert "license: apache-2.0" in card
    products = tiny_catalog.products[:2]
    wrote = [
        [ad.text for ad in writer.write(products, ["everyone"] * 2, generator=torch.Generator().manual_seed(0))]
        for writer in (read, make_writer(tiny_catalog, SIZES, seed=1, model=str(tmp_path / "base")))
    ]
    assert wrote[0] == wrote[1]
