"""`copybandit offline` on a folder of Parquet files: the figures of one file, and memory that does not grow."""

import tracemalloc

import numpy as np
import pandas as pd
import pyarrow
import pytest
from copybandit.experiments import offline
from copybandit.experiments.analysis.off_policy import evidence, groupings, logged
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.experiments.offline import OfflineOptions, run_offline
from copybandit.simulation.data import log_folder
from copybandit.simulation.data.errors import InputError

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
            "user_segment": np.array(["new", "old", "back", None], dtype=object)[visit % 50 % 4],
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


def in_two_folders(log: pd.DataFrame, folder, cut: int):
    """Rows up to `cut`, and the rest, in folders of their own."""
    for name, part in (("a", log[:cut]), ("b", log[cut:])):
        path = folder / f"part={name}" / "part-0.parquet"
        path.parent.mkdir(parents=True)
        part.to_parquet(path, index=False)
    return folder


def groups_of(path, out, **options) -> tuple[list, pd.DataFrame]:
    given = {"policy": "uniform,only=12", "groups": "user_region,channel,user_plan"} | options
    run = run_offline(configured(OfflineOptions(), logs=path, out=out, **given))
    return read_json(run / "summary.json")["groups"], pd.read_csv(run / "fairness.csv", dtype={"group": str})


def with_groups(slots: int) -> pd.DataFrame:
    """Regions that begin in different blocks, and plans as numbers, of which some are missing."""
    log = random_log(2000, slots)
    user = log.user_id.to_numpy()
    plan = pd.Series(user % 3).where(user % 3 != 2)
    return log.assign(user_region=np.where(np.arange(len(log)) < 1000, "south", "north"), user_plan=plan)


@pytest.mark.parametrize("most", [2000, 20])
def test_groups_of_a_folder_are_those_of_one_file_and_by_hand(tmp_path, monkeypatch, most):
    """Fifty users are told apart, or, where twenty is the most, drawn in so many clusters."""
    monkeypatch.setattr(logged, "BLOCK", 700)
    monkeypatch.setattr(log_folder, "ROWS", 211)
    monkeypatch.setattr(groupings, "CLUSTERS", most)
    log = with_groups(2)
    log.to_parquet(tmp_path / "one.parquet")
    told, table = groups_of(tmp_path / "one.parquet", tmp_path / "a")
    again, same = groups_of(in_two_folders(log, tmp_path / "logs", 2 * 1201), tmp_path / "b")
    assert told == again
    pd.testing.assert_frame_equal(table, same, check_exact=True)
    assert set(table[table.grouping == "user_plan"].group) == {"0", "1", "missing"}
    rows = table[(table.policy == "as logged") & (table.measure == "ctr")].set_index(["grouping", "group"])
    for grouping, group, own in (
        ("user_region", "north", log.user_region == "north"),
        ("user_plan", "1", log.user_plan == 1),
    ):
        row, visits = rows.loc[(grouping, group)], log[own].impression_id.nunique()
        assert row.visits == visits and row.value == pytest.approx(log[own].clicked.sum() / visits)
        assert row.low < row.value < row.high


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ("user_id", "--groups user_id: at least 50 values in .*logs; give a column with 2 to 30 of them"),
        ("creative_id", "--groups creative_id: no such column of users in .*logs; it has .*channel"),
        ("user_one", "--groups user_one: 1 values in .*logs"),
    ],
)
def test_groups_that_a_folder_does_not_have_are_refused(tmp_path, groups, said):
    logs = in_two_folders(random_log(300, 1).assign(user_one="x"), tmp_path / "logs", 150)
    with pytest.raises(InputError, match=said):
        groups_of(logs, tmp_path / "run", groups=groups)
