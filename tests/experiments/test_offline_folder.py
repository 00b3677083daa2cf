"""`copybandit offline` on a folder of Parquet files: the figures of one file, and memory that does not grow."""

import tracemalloc

import numpy as np
import pandas as pd
import pyarrow
import pytest
from copybandit.experiments import offline
from copybandit.experiments.analysis.off_policy import evidence, logged
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.experiments.offline import OfflineOptions, run_offline
from copybandit.simulation.data import log_folder

CREATIVES = 6


def random_log(n: int, slots: int, seed: int = 0, first: int = 0) -> pd.DataFrame:
    """Slates filled from the top in proportion to preferences; creative k earns in proportion to k."""
    rng = np.random.default_rng([seed, first])
    left, chosen, chance = np.tile(1.0 + np.arange(CREATIVES) % 3, (n, 1)), [], []
    for _ in range(slots):
        p = left / left.sum(1, keepdims=True)
        pick = (p.cumsum(1) < rng.random((n, 1))).sum(1).clip(max=CREATIVES - 1)
        chosen.append(pick)
        chance.append(p[np.arange(n), pick])
        left[np.arange(n), pick] = 0
    creative, propensity = np.stack(chosen, 1), np.stack(chance, 1)
    clicked = rng.random((n, slots)) < 0.05 * (1 + creative)
    visit = first + np.repeat(np.arange(n), slots)
    return pd.DataFrame(
        {
            "impression_id": [f"i{i}" for i in visit],
            "timestamp": pd.Timestamp("2026-11-01", tz="UTC") + pd.to_timedelta(visit, unit="s"),
            "user_id": visit % 50,
            "channel": np.where(visit % 3, "feed", "search"),
            "position": np.tile(np.arange(slots), n),
            "creative_id": creative.ravel() + 10,
            "propensity": propensity.ravel(),
            "clicked": clicked.ravel().astype(int),
            "converted": (clicked & (rng.random((n, slots)) < 0.3)).ravel().astype(int),
            "user_segment": np.array(["new", "old", "back"])[visit % 50 % 3],
            "user_age": np.where(visit % 50 == 7, np.nan, visit % 50),
            "context_query": [f"query {i % 40}" if i % 5 else None for i in visit],
        }
    )


def answers_of(path, out, **options) -> dict:
    given = {"policy": "uniform,linucb,only=12", "draws": 4, "conversion_value": 2.0} | options
    summary = read_json(run_offline(configured(OfflineOptions(), logs=path, out=out, **given)) / "summary.json")
    del summary["wall_seconds"]
    return summary


@pytest.mark.parametrize(
    ("slots", "options"),
    [
        (1, {}),
        (1, {"interval": "bootstrap"}),
        (3, {}),
        (3, {"interval": "bernstein", "propensities": "in-slot"}),
        (3, {"quick": True}),
    ],
)
def test_a_folder_in_small_batches_gives_the_figures_of_one_file(tmp_path, monkeypatch, slots, options):
    monkeypatch.setattr(logged, "BLOCK", 700)
    monkeypatch.setattr(log_folder, "ROWS", 211)
    log = random_log(3000, slots)
    log.to_parquet(tmp_path / "one.parquet")
    for day, (start, end) in enumerate([(0, 1201), (1201, 1300), (1300, 3000)]):
        part = tmp_path / "logs" / f"date=2026-11-0{day + 1}" / "part-0.parquet"
        part.parent.mkdir(parents=True)
        log.iloc[start * slots : end * slots].to_parquet(part, index=False)
    one = answers_of(tmp_path / "one.parquet", tmp_path / "a", **options)
    assert answers_of(tmp_path / "logs", tmp_path / "b", **options) == one
    if "propensities" not in options:
        assert set(one["estimates"]["uniform"]) >= ({"replay", "dros"} if slots == 1 else {"cascade-dr"})


def test_nothing_is_drawn_of_a_policy_that_is_fixed(tmp_path, monkeypatch):
    random_log(2000, 2).to_parquet(tmp_path / "one.parquet")
    whole = answers_of(tmp_path / "one.parquet", tmp_path / "a", policy="uniform")
    monkeypatch.setattr(logged, "BLOCK", 300)
    blocks = answers_of(tmp_path / "one.parquet", tmp_path / "b", policy="uniform")
    for name in ("rips", "sn-rips"):
        assert blocks["estimates"]["uniform"][name] == pytest.approx(whole["estimates"]["uniform"][name], rel=1e-9)


def test_memory_does_not_grow_with_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr(logged, "BLOCK", 500)
    monkeypatch.setattr(log_folder, "ROWS", 1000)
    monkeypatch.setattr(evidence, "BATCH", 128)
    monkeypatch.setattr(offline, "write_report", lambda path: None)

    def peak(n: int) -> int:
        folder = tmp_path / f"logs-{n}"
        folder.mkdir()
        random_log(n, 2).to_parquet(folder / "part-0.parquet", row_group_size=10_000)
        tracemalloc.start()
        before = pyarrow.total_allocated_bytes()
        answers_of(folder, tmp_path / f"out-{n}", policy="uniform,linucb", draws=1)
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert pyarrow.total_allocated_bytes() - before < 2**20
        return found

    peak(500)  # what is made once, and kept
    few, many = peak(1000), peak(10_000)
    assert many < 1.2 * few, (few, many)
