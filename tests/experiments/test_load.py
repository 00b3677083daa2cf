"""What shows that load is borne, and that configurations are what they say."""

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.agents.registry import agent_for
from copybandit.experiments.analysis.benchmarks.coverage import compare_intervals, offline_intervals, propensities
from copybandit.experiments.analysis.benchmarks.load import catalogs, day, shops
from copybandit.experiments.analysis.benchmarks.options import BenchmarkOptions
from copybandit.experiments.benchmark import run_benchmark
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.experiments.study.options import DataOptions
from copybandit.experiments.study.shop import brought
from copybandit.simulation import world
from copybandit.simulation.data.catalog import Catalog
from copybandit.simulation.data.errors import InputError


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def ran(tmp_path, **given):
    path = run_benchmark(configured(BenchmarkOptions(), out=tmp_path / "run", threads=1, **given))
    return read_json(path / "summary.json")


def test_memory_that_grows_is_told_by_hand():
    """Two megabytes an hour, after two hours in which what waits comes to be."""
    hours = [h / 4 for h in range(1, 41)]
    looks = day.Looks(hours, [100 + 50 * min(h, 2) + 2 * max(h - 2, 0) for h in hours], [7] * 40, [0.1] * 40, hours)
    found = looks.figures(10.0)
    assert found["slope_mb_per_hour"] == pytest.approx(2.0)
    # From hour 2.25: 200.5 to 202.5 at five looks; the last four at 214.5 to 216.
    assert (found["settled_hours"], found["first_hour_mb"]) == (2.25, pytest.approx(201.5))
    assert found["last_hour_mb"] == pytest.approx(215.25)
    assert found["growth"] == pytest.approx(215.25 / 201.5 - 1)


def test_a_day_of_traffic_holds_what_waits_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(day, "USERS", 200)
    found = ran(tmp_path, part="load", only="day", hours=2.5, per_second=10)["load"]["day"]
    assert found["impressions"] == 90_000
    late = [
        waiting for hour, waiting in zip(found["looks"]["hours"], found["looks"]["waiting"], strict=True) if hour > 2
    ]
    # An hour of visits, at ten a second, of which some are clicked; a batch may wait for its turn.
    assert 0 < max(late) < 0.4 * (36_000 + day.BATCH)


def test_catalogs_are_read_in_processes_whose_memory_is_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogs, "QUICK_SIZES", (50, 100))
    found = ran(tmp_path, part="load", only="catalog", quick=True)["load"]["catalog"]
    assert [row["rows"] for row in found["sizes"]] == [50, 100]
    assert all(20 < row["read_peak_mb"] < 400 for row in found["sizes"])
    assert {"read_seconds", "prompt_seconds", "read_peak_mb"} == set(found["exponents"])


def test_shops_are_measured_with_a_table_and_without(tmp_path, monkeypatch):
    monkeypatch.setattr(shops, "QUICK_SIZES", {"users": [(50, 20, 3), (100, 20, 3)]})
    found = ran(tmp_path, part="load", only="shops", quick=True)["load"]["shops"]["users"]
    small, large = found["shops"]
    # Three figures of 4 bytes a pair, and what of a user does not depend on creatives.
    assert large["held_mb"] - small["held_mb"] > 50 * 20 * 12 / 2**20
    assert large["peak_mb"] > large["held_mb"]
    assert {"exponent_microseconds", "exponent_held_mb", "shops"} == set(found)
    monkeypatch.setattr(world, "TABLE", 0)
    computed = shops.one(100, 20, 2, seed=0)
    assert (small["table"], computed["table"], computed["slots"]) == (True, False, 2)
    assert computed["microseconds"] > 0


def test_texts_are_made_for_products_that_take_part(tmp_path):
    catalogs.made(40, 0).to_csv(tmp_path / "c.csv", index=False)
    data = DataOptions(catalog=tmp_path / "c.csv", products=5)
    catalog = brought("shop", data, 3).catalog
    assert catalog.products == Catalog.read(tmp_path / "c.csv").some(5, 3).products
    assert {ad.product_id for ad in catalog.ads} == set(catalog.index)


def test_propensities_that_are_not_what_they_say_are_found():
    rng = np.random.default_rng(0)
    first = rng.choice(3, 20_000, p=[0.5, 0.3, 0.2])
    second = np.where(rng.random(20_000) < 0.25, (first + 1) % 3, (first + 2) % 3)
    told = np.stack([np.array([0.5, 0.3, 0.2])[first], np.where(second == (first + 1) % 3, 0.25, 0.75)], 1)
    slates, none = np.stack([first, second], 1), np.zeros((20_000, 2))
    right = propensities.compare(slates, told, none)
    assert (right.cells, right.freedom, right.constant) == (9, 5, True)
    assert right.square < 20.5  # 99.9% of chi-square with 5 degrees of freedom
    wrong = propensities.compare(slates, np.where(told == 0.25, 0.27, np.where(told == 0.75, 0.73, told)), none)
    assert wrong.square > 30 and wrong.worst > 3
    told[0, 0] += 0.01
    assert not propensities.compare(slates, told, none).constant


def test_a_state_whose_propensities_are_told_is_asked_many_times(tiny_world):
    tiny_world.publish(tiny_world.catalog.ads[:8])
    row = propensities._row(propensities.Case("softmax", "tiny"), tiny_world, 3000, seed=0)
    assert row["method"] == "exact" and row["cells"] > 1 and row["p"] > 1e-4 and row["constant"]
    assert agent_for(tiny_world, "softmax").arms == 8


def test_five_normal_values_cover_as_they_claim_and_skewed_ones_do_not(monkeypatch):
    monkeypatch.setattr(compare_intervals, "RESAMPLES", 2)
    rng = np.random.default_rng(0)
    assert compare_intervals.covered(rng.normal(size=800), 0)["coverage"] == pytest.approx(0.95, abs=0.02)
    assert compare_intervals.covered(np.exp(2 * rng.normal(size=800)), 0)["coverage"] < 0.9


def test_intervals_are_counted_by_hand():
    intervals = [{"mean": 1.0, "low": 0.5, "high": 1.5}, {"mean": 3.0, "low": 2.5, "high": 3.5}] * 2
    row = offline_intervals._covered(intervals, [1.0, 1.2])
    assert (row["coverage"], row["missed_above"], row["missed_below"]) == (0.5, 0.5, 0.0)
    assert row["bias"] == pytest.approx(0.9)


def test_what_is_not_measured_is_refused():
    with pytest.raises(InputError, match="--only days: no such measurement; give some of day, catalog"):
        configured(BenchmarkOptions(), part="load", only="days").chosen(["day", "catalog"])


def test_offline_in_memory_and_from_a_folder_say_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(offline_intervals, "QUICK_LOGS", 1)
    monkeypatch.setattr(offline_intervals, "AGENTS", ("softmax",))
    found = ran(tmp_path, part="coverage", only="offline", quick=True)["configurations"]["offline"]
    assert found["folders"] == {"tried": 2, "the_same": 2}
    rows = pd.DataFrame(found["rows"])
    assert set(rows.policy) >= {"uniform", "table", "softmax"} and set(rows.slots) == {1, 3}
