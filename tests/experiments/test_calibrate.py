import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.experiments.analysis.fit.tables import delays
from copybandit.experiments.analysis.statistics.intervals import wilson
from copybandit.experiments.calibrate import CalibrateOptions, _answer, run_calibrate
from copybandit.experiments.compare import CompareOptions, run_compare
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.simulation.calibration.evidence import Evidence
from copybandit.simulation.data.catalog import Catalog, Product
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.logs import log_frame, stream_uniform
from copybandit.simulation.world_file import load_world, world_notes


@pytest.fixture
def log(tiny_world, tmp_path):
    shown = tiny_world.publish(tiny_world.catalog.ads)
    batches = stream_uniform(tiny_world, shown, 6000, torch.Generator().manual_seed(0), batch=200)
    frames = [log_frame(tiny_world, f, torch.full((200, 2), 1 / 12), i * 200) for i, f in enumerate(batches)]
    path = tmp_path / "log.csv"
    pd.concat(frames).to_csv(path, index=False)
    return path


def test_wilson_by_hand():
    # z = 1.96: (2 + 1.92) / 13.84 -+ 1.96 / 13.84 * sqrt(1.6 + .96).
    low, high = wilson(pd.Series([2.0]).to_numpy(), pd.Series([10.0]).to_numpy())
    assert (low[0], high[0]) == pytest.approx((0.0567, 0.5098), abs=1e-3)


def test_calibrate_leaves_a_world_that_compare_runs_in(log, tiny_file, tmp_path):
    run = run_calibrate(configured(CalibrateOptions(), logs=log, scenario=str(tiny_file), out=tmp_path / "run"))
    summary = read_json(run / "summary.json")
    assert summary["impressions"] == 12_000
    assert summary["held_out"]["log_loss"] < summary["held_out"]["log_loss_of_base_rate"]
    assert summary["inside"] > 0.6
    fit = pd.read_csv(run / "fit.csv")
    assert {"position", "channel", "segment", "decile of the fit"} <= set(fit["by"])
    world = run / "world.safetensors"
    assert load_world(world).slots == 2
    (note,), told = world_notes(world), read_json(run / "summary.json")
    assert told["answer"] in note and told["of_texts"] in note
    options = configured(
        CompareOptions(), agents="linucb", scenario=str(world), seeds=2, impressions=400, batch=100, creatives=4
    )
    found = read_json(run_compare(options) / "summary.json")
    assert found["agents"]["linucb"]["reward"]["mean"] > 0


def test_no_log_and_no_world(tmp_path):
    with pytest.raises(InputError, match="give one of a log"):
        run_calibrate(CalibrateOptions())
    (tmp_path / "world.safetensors").write_text("none")
    with pytest.raises(InputError, match="damaged or of another kind"):
        load_world(tmp_path / "world.safetensors")


def test_a_scenario_that_is_named_says_what_the_products_are(log, tiny_file, tmp_path):
    named, alone = (
        read_json(
            run_calibrate(configured(CalibrateOptions(), logs=log, scenario=scenario, out=tmp_path / out))
            / "summary.json"
        )
        for scenario, out in ((str(tiny_file), "named"), (None, "alone"))
    )
    assert any("no catalog" in note for note in alone["notes"])
    assert not any("no catalog" in note for note in named["notes"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"archive": "a.csv", "logs": "b.csv"}, "give one of a log"),
        ({"logs": "b.csv", "on_policy": "bts"}, "--on-policy goes with --open-bandit"),
        ({"archive": "a.csv", "catalog": "c.csv"}, "--catalog goes with --logs"),
    ],
)
def test_options_that_do_not_go_together(options, said):
    with pytest.raises(InputError, match=said):
        run_calibrate(configured(CalibrateOptions(), **options))


def test_delays_by_hand():
    # Read at hour 100; four mean delays of 10 hours are 40: the click at hour 90 is not watched that long, and the
    # conversion after 50 hours came later than that.
    given = dict.fromkeys(("clock", "converted", "query"))
    empty = np.zeros(4, dtype=int)
    evidence = Evidence(
        Catalog([Product("p", "p", "c", 1.0)]), ("u",), ("s",), ("c",), empty[:1], empty, empty, empty, empty, empty,
        np.ones(4), np.array([0.0, 0, 10, 90]), delay_hours=np.array([5.0, 50, 30, 1]), read_at=100.0, **given,
    )  # fmt: skip
    table = delays(evidence, 10.0, points=4)
    assert table["hours"].tolist() == [10, 20, 30, 40]
    assert table["logged"].tolist() == [0.5, 0.5, 1, 1]
    assert table["fitted"].iloc[0] == pytest.approx((1 - np.exp(-1)) / (1 - np.exp(-4)))


def test_another_policys_ctr_is_foretold(shared_data, tmp_path):
    folders = {"open_bandit": shared_data / "open_bandit/random/men", "on_policy": shared_data / "open_bandit/bts/men"}
    found = read_json(run_calibrate(configured(CalibrateOptions(), out=tmp_path / "run", **folders)) / "summary.json")[
        "foretold"
    ]
    assert found["clicks"] == [46, 69]
    assert found["earned"]["mean"] == pytest.approx(0.0069)
    assert 0 < found["world"]["low"] < found["world"]["mean"] < found["world"]["high"] < 0.02


@pytest.mark.parametrize(
    ("inside", "loss", "says"),
    [
        (0.95, 0.10, "behaves like the log"),
        (0.95, 0.13, "foretells later clicks no better"),
        (0.84, 0.10, "does not behave like the log"),
    ],
)
def test_the_question_is_answered(inside, loss, says):
    assert says in _answer({"log_loss": loss, "log_loss_of_base_rate": 0.12}, inside)
