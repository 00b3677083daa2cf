import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.experiments.analysis.benchmarks.options import BenchmarkOptions
from copybandit.experiments.analysis.benchmarks.trust import canaries
from copybandit.experiments.analysis.benchmarks.trust.canaries import (
    CODE,
    FORMS,
    PLANTED,
    Canary,
    Sizes,
    plant,
    summarised,
)
from copybandit.experiments.benchmark import run_benchmark
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.policies.effect.model import EffectConfig
from copybandit.policies.writer.writer import WriterConfig
from copybandit.simulation.data.errors import InputError


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_lines_of_a_form_differ_in_the_code_alone():
    lines = FORMS["digits"].draw(500, np.random.default_rng(0))
    assert len(set(lines)) == 500 and FORMS["digits"].space == 10**CODE
    assert all(line.startswith("Order code ") and len(line.split()) == 2 + CODE for line in lines)
    canary = Canary("digits", 1, lines[0], "a")
    others = canary.others(300, np.random.default_rng(0))  # the same draws: the canary is not among its others
    assert len(set(others)) == 300 and lines[0] not in others


def test_as_many_ads_as_were_asked_for_have_the_code(tiny_catalog):
    own, found = plant(tiny_catalog, np.random.default_rng(0))
    said = [ad.text for ad in own.ads]
    assert [canary.planted for canary in found] == 2 * [0, 0, 0, 1, 1, 1, 10, 10, 10, 100]
    assert [said.count(canary.line) for canary in found] == [canary.planted for canary in found]
    assert len(own.ads) == len(tiny_catalog.ads) + 2 * (3 + 30 + 100)
    once = next(canary for canary in found if canary.planted == 1)
    assert [ad.product_id for ad in own.ads if ad.text == once.line] == [once.product_id]
    often = [ad.product_id for ad in own.ads if ad.text == found[9].line]
    assert {often.count(product.product_id) for product in own.products} == {25}


def test_means_by_hand():
    rows = [
        {"what": "writer", "form": "digits", "planted": 1, "seed": s, "exposure": e, "extrapolated": e + 1}
        for s, e in ((0, 2.0), (1, 4.0))
    ]
    (row,) = summarised(pd.DataFrame(rows))["writer"]["digits"].values()
    assert row == {"exposure": 3.0, "extrapolated": 4.0, "each": [2.0, 4.0]}


def test_the_measurement_runs_and_finds_codes_in_the_vocabulary(tmp_path, monkeypatch):
    small = Sizes(WriterConfig(1, 32, 2, 600, 20), 640, 40_000, 127, EffectConfig(steps=20))
    monkeypatch.setattr(canaries, "QUICK", small)
    options = configured(BenchmarkOptions(), out=tmp_path / "run", part="trust", only="canaries", quick=True, threads=1)
    found = read_json(run_benchmark(options) / "summary.json")["trust"]["canaries"]
    assert found["most"] == 7
    for form in FORMS:
        rows = found["effect"][form]
        assert rows["100"]["pairs"] == rows["10"]["pairs"] == 1 > rows["1"]["pairs"]
        assert all(len(rows[str(n)]["each"]) == codes for n, codes in PLANTED.items())
        each = [
            bits
            for what in ("writer", "writer, nothing planted", "effect")
            for r in found[what][form].values()
            for bits in r["each"]
        ]
        assert len(each) == 30 and 0 <= min(each) <= max(each) <= 7
    assert found["let_through"] == {"digits": 0.0, "letters": 1.0}
    assert len(pd.read_csv(tmp_path / "run" / "canaries.csv")) == 3 * len(FORMS) * sum(PLANTED.values())


def test_a_measurement_that_there_is_not(tmp_path):
    options = configured(BenchmarkOptions(), out=tmp_path / "run", part="trust", only="canary", threads=1)
    with pytest.raises(InputError, match="--only canary: no such measurement; give some of canaries"):
        run_benchmark(options)
