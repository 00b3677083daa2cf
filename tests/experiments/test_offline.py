"""`copybandit offline` on small logs of the tiny world, and on the Open Bandit Dataset where it is."""

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.experiments.analysis.off_policy.log_builder import logged_frame
from copybandit.experiments.analysis.off_policy.logged import Log, Logged, logged_open_bandit
from copybandit.experiments.analysis.off_policy.policies import fixed_policy, own_policy, slot_looks, train
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.experiments.offline import OfflineOptions, run_offline
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.logs import log_frame, uniform_slates
from copybandit.simulation.world import World


def uniform_log(world: World, n: int, slots: int, seed: int = 1) -> pd.DataFrame:
    candidates = world.publish(world.catalog.ads[:4]) if not world.creatives else torch.arange(4)
    world.reset(seed)
    visits = world.visitors(n)
    slates = uniform_slates(n, candidates, slots, torch.Generator().manual_seed(seed))
    even = (1 / (4 - torch.arange(slots))).expand(n, slots)
    return log_frame(world, world.respond(visits, slates), even)


def whole(log: Log) -> Logged:
    (block,) = log
    return block


@pytest.fixture
def log(tiny_world) -> pd.DataFrame:
    return uniform_log(tiny_world, 2000, 2)


@pytest.fixture
def path(log, tmp_path):
    log.to_parquet(tmp_path / "log.parquet")
    return tmp_path / "log.parquet"


def test_the_run_leaves_what_it_promises(path, tmp_path):
    table = pd.DataFrame({"creative_id": ["0", "1", "2"], "probability": [0.5, 0.25, 0.25]})
    table.to_csv(tmp_path / "mine.csv", index=False)
    options = configured(
        OfflineOptions(),
        out=tmp_path / "run",
        logs=path,
        policy=f"uniform,epsilon-greedy,only=2,{tmp_path / 'mine.csv'}",
        draws=8,
    )
    run = run_offline(options)
    summary = read_json(run / "summary.json")
    assert set(summary["estimates"]) == {"uniform", "epsilon-greedy", "only=2", "mine"}
    names = {"dm", "ips", "clipped-ips", "snips", "dr", "switch-dr", "dros", "rips", "sn-rips", "cascade-dr"}
    for row in summary["estimates"].values():
        assert set(row) == names | {"sn-cascade-dr"}
        for entry in row.values():
            assert entry["low"] <= entry["mean"] <= entry["high"] and 0 < entry["ess"] <= 1001
    uniform = summary["estimates"]["uniform"]["ips"]
    assert uniform["mean"] == pytest.approx(summary["on_policy"]["as logged"]["mean"])
    assert uniform["max_weight"] == pytest.approx(1)
    assert summary["estimated_probabilities"] == ["epsilon-greedy"]
    assert "Agents learned from 50% of the log" in " ".join(summary["notes"])
    report = (run / "report.html").read_text()
    assert "What the policies would have earned" in report and "Largest weight" in report


def test_a_single_slot_has_replay_and_exact_probabilities(tiny_world, tmp_path):
    uniform_log(tiny_world, 1000, 1).to_csv(tmp_path / "log.csv", index=False)
    options = configured(
        OfflineOptions(),
        out=tmp_path / "run",
        logs=tmp_path / "log.csv",
        policy="linucb",
        interval="bootstrap",
        quick=True,
    )
    summary = read_json(run_offline(options) / "summary.json")
    assert set(summary["estimates"]["linucb"]) >= {"replay", "dr"} and summary["estimated_probabilities"] == []


def test_texts_of_a_run_are_valued_by_its_effect_model(path, tmp_path):
    rows = [{"writer": w, "product_id": p, "proxy_ctr": c, "proxy_cvr": 0.5} for w, p, c in
            (("untuned", "k1", 0.1), ("untuned", "k2", 0.2), ("tuned", "k1", 0.3), ("tuned", "k2", 0.3))]  # fmt: skip
    (tmp_path / "loop").mkdir()
    pd.DataFrame(rows).to_parquet(tmp_path / "loop" / "creatives.parquet")
    options = configured(OfflineOptions(), out=tmp_path / "run", logs=path, policy=str(tmp_path / "loop"))
    found = read_json(run_offline(options) / "summary.json")["estimates"]
    tuned = found["loop, tuned"]["effect-model"]
    # Two slots of .3 each; no log stands behind it.
    assert tuned["mean"] == pytest.approx(0.6) and tuned["ess"] is None
    assert found["loop, untuned"]["effect-model"]["mean"] == pytest.approx(0.3)


def test_conversions_count_at_their_worth(log):
    logged = logged_frame(log, "log", "given-above")
    worth = whole(logged).reward(10.0).sum()
    assert worth == log.clicked.sum() + 10 * log.converted.sum()


def test_rows_may_come_in_any_order(log):
    mixed = logged_frame(log.sample(frac=1.0, random_state=0), "log", "given-above")
    own = logged_frame(log, "log", "given-above")
    assert sorted(map(tuple, whole(mixed).creative)) == sorted(map(tuple, whole(own).creative))
    assert whole(mixed).in_slot == pytest.approx(0.25) and mixed.names == own.names


def test_slates_by_their_propensities(log):
    # Not uniform: what a creative's chance in its slot was is not known from its chance given the slots above.
    skewed = log.assign(propensity=np.where(log.position == 0, 0.25, np.where(log.creative_id == 0, 0.5, 1 / 3)))
    assert whole(logged_frame(skewed, "log", "given-above")).in_slot is None
    marginal = whole(logged_frame(skewed, "log", "in-slot"))
    assert marginal.given_above is None and marginal.in_slot is not None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda f: f.assign(propensity=f.propensity / 2),
            r"slot 1: propensities would sum to 0.500 over the 4 crea",
        ),
        (lambda f: f.drop(index=1), r"impression '0' has 1 slots, others 2; give a log of slates of one length"),
    ],
)
def test_bad_logs_are_refused(log, change, expected):
    with pytest.raises(InputError, match=expected):
        logged_frame(change(log), "log", "given-above")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("creative_id,probability\n0,0.5\n1,0.4", "mine.csv: the probabilities sum to 0.9, not to 1"),
        ("creative_id,probability\n0,1.5\n1,-0.5", "row 3, column 'probability': -0.5 is not zero or more"),
        ("creative_id,probability\n0,0.5\n0,0.5", "row 3: creative '0' stands there twice"),
        (
            "creative_id,probability\n0,0.5\nz,0.5",
            "creative 'z' is never shown in log, which tells nothing of it; choo",
        ),
        ("creative_id\n0", "column 'probability' is missing"),
    ],
)
def test_bad_tables_of_probabilities_are_refused(log, tmp_path, table, expected):
    (tmp_path / "mine.csv").write_text(table)
    with pytest.raises(InputError, match=expected):
        fixed_policy(str(tmp_path / "mine.csv"), logged_frame(log, "log", "given-above"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "give --logs, a table of logged impressions, or --open-bandit"),
        ({"logs": "log.parquet", "policy": "lintz"}, "--policy lintz: no such policy; give an agent"),
        ({"logs": "log.parquet", "policy": "only=9"}, "--policy only=9: creative '9' is never shown in log.parquet"),
        ({"logs": "log.parquet", "on_policy": "x"}, "--on-policy goes with --open-bandit"),
        ({"logs": "log.parquet", "policy": "empty"}, "empty: no creatives.parquet in it"),
        ({"logs": "log.parquet", "policy": " "}, "--policy: name at least one"),
    ],
)
def test_bad_options_leave_nothing_behind(path, tmp_path, changes, expected):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=expected):
        run_offline(configured(OfflineOptions(), out=tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_a_policy_that_the_log_never_follows_has_no_answer(tmp_path, log):
    # Creative 3 is never in the top slot: of `only=3` the log tells nothing, of the others as much as before.
    away = log.impression_id[(log.creative_id == 3) & (log.position == 0)]
    log[~log.impression_id.isin(away)].to_csv(tmp_path / "log.csv", index=False)
    options = configured(OfflineOptions(), out=tmp_path / "run", logs=tmp_path / "log.csv", policy="only=3,only=1")
    summary = read_json(run_offline(options) / "summary.json")
    assert summary["estimates"]["only=3"] == {} and summary["estimates"]["only=1"]
    assert summary["warnings"]["only=3"].startswith("in some slot it never does what the log did")


def test_creatives_that_were_not_seen_make_no_propensity_wrong(log):
    few = logged_frame(log.head(6), "log", "given-above")
    assert len(few) == 3


def test_an_agent_learns_from_the_log(tiny_world):
    frame = uniform_log(tiny_world, 4000, 1)
    # Creative 2 is always clicked, the others never.
    logged = logged_frame(frame.assign(clicked=(frame.creative_id == 2).astype(int)), "log", "given-above")
    in_slot, _ = train("epsilon-greedy", logged, 0.0, 1, 0).chances(whole(logged))
    assert in_slot[:, 0, 2] == pytest.approx(0.925) and in_slot.sum(2) == pytest.approx(1)
    drawn, given = train("lints", logged, 0.0, 32, 0).chances(whole(logged))
    assert drawn[:, 0, 2].mean() > 0.9 and np.array_equal(drawn, given)


def test_how_far_down_slots_are_looked_at(tiny_world, log):
    found = slot_looks(logged_frame(log, "log", "given-above"))
    assert found.shape == (2, 2) and (found[:, 0] == 1).all() and (found[:, 1] < 1).all()


def test_the_data_set_holds_what_the_other_policy_earned(shared_data, tmp_path):
    folder = shared_data / "open_bandit"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    options = configured(
        OfflineOptions(),
        out=tmp_path / "run",
        open_bandit=folder / "random/men",
        on_policy=folder / "bts/men",
        policy="uniform",
    )
    summary = read_json(run_offline(options) / "summary.json")
    earned = summary["on_policy"]["bts"]["mean"]
    assert earned == pytest.approx(0.0069)
    assert all(entry["low"] < earned < entry["high"] for entry in summary["estimates"]["bts"].values())
    random, bts = (logged_open_bandit(folder / name / "men") for name in ("random", "bts"))
    assert own_policy(bts, random).preference.sum(1) == pytest.approx([1, 1, 1])
