import pandas as pd
import pytest
import torch
from copybandit.experiments.calibrate import CalibrateOptions, run_calibrate, wilson
from copybandit.experiments.compare import CompareOptions, run_compare
from copybandit.experiments.runs import read_json
from copybandit.simulation.logs import log_frame, stream_uniform
from copybandit.simulation.tables import InputError
from copybandit.simulation.world_file import load_world


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
    run = run_calibrate(CalibrateOptions(logs=log, scenario=str(tiny_file), out=tmp_path / "run"))
    summary = read_json(run / "summary.json")
    assert summary["impressions"] == 12_000
    assert summary["held_out"]["log_loss"] < summary["held_out"]["log_loss_of_base_rate"]
    assert summary["inside"] > 0.6
    fit = pd.read_csv(run / "fit.csv")
    assert {"position", "channel", "segment", "decile of the fit"} <= set(fit["by"])
    world = run / "world.safetensors"
    assert load_world(world).slots == 2
    options = CompareOptions(agents="linucb", scenario=str(world), seeds=2, impressions=400, batch=100, creatives=4)
    found = read_json(run_compare(options) / "summary.json")
    assert found["agents"]["linucb"]["reward"]["mean"] > 0


def test_no_log_and_no_world(tmp_path):
    with pytest.raises(InputError, match="give a log"):
        run_calibrate(CalibrateOptions())
    (tmp_path / "world.safetensors").write_text("none")
    with pytest.raises(InputError, match="not a world file"):
        load_world(tmp_path / "world.safetensors")
