"""What have I run, and who else is told while it runs."""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from copybandit.experiments.harness.options import Device, Flat, RunOptions
from copybandit.experiments.harness.run import Run
from copybandit.experiments.harness.tracking import flat_numbers
from copybandit.experiments.runs import RunsOptions, list_runs
from copybandit.simulation.data.errors import InputError


@dataclass(frozen=True)
class Some:
    """Of a command that is quick to write."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    device: Device = "cpu"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, lift in ((0, 0.1), (1, None)):
        run = Run("tune", Some(RunOptions(out=tmp_path / "runs" / f"tune-{seed}", seed=seed)))
        run.record(0, {"kl": 0.5})
        if lift is not None:
            run.finish({"lift": {"reward": {"mean": lift}}})
    other = Run("compare", Some(RunOptions(out=tmp_path / "runs" / "deep" / "compare")))
    other.record(0, {"x": 1.0})
    other.finish(
        {"agents": {name: {"reward": {"mean": x}, "capture": {"mean": x}} for name, x in (("a", 0.1), ("b", 0.2))}}
    )
    return tmp_path / "runs"


def test_every_run_is_listed(folder):
    header, *lines = list_runs(RunsOptions(folder)).splitlines()
    assert header.split() == ["run", "command", "began", "took", "seed", "result"]
    assert len(lines) == 3
    told = {line.split()[0]: line for line in lines}
    assert told["tune-0"].endswith("reward lift +10.0%")
    assert "unfinished" in told["tune-1"]
    assert told["deep/compare"].endswith("b captures 0.20")


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"command": "compare"}, {"deep/compare"}),
        ({"where": "seed=1"}, {"tune-1"}),
        ({"where": "seed=0,quick=false"}, {"tune-0", "deep/compare"}),
        ({"finished": True, "command": "tune"}, {"tune-0"}),
    ],
)
def test_runs_are_filtered(folder, options, left):
    lines = list_runs(RunsOptions(folder, **options)).splitlines()[1:]
    assert {line.split()[0] for line in lines} == left


def test_nothing_fits(folder):
    assert "no such run" in list_runs(RunsOptions(folder, where="seed=7"))


@pytest.mark.parametrize(
    ("where", "said"), [("sed=1", "no setting|no run has a setting 'sed', perhaps seed"), ("seed", "setting=value")]
)
def test_conditions_that_make_no_sense(folder, where, said):
    with pytest.raises(InputError, match=said):
        list_runs(RunsOptions(folder, where=where))


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        list_runs(RunsOptions(tmp_path / "nowhere"))


def test_numbers_of_a_summary():
    found = flat_numbers({"a": {"b": {"mean": 1.5}}, "n": 2, "name": "x", "yes": True, "list": [1]})
    assert found == {"a.b.mean": 1.5, "n": 2}


def test_tensorboard_always(folder):
    assert list((folder / "tune-0" / "tensorboard").glob("events*"))


def test_weights_and_biases_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = Run("tune", Some(RunOptions(out=tmp_path / "run", track="wandb")))
    run.record(1, {"reward": 0.25})
    run.record(1, {"kl": 0.125})
    run.finish({"lift": {"ctr": {"mean": 0.75}}})
    (kept,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    for _ in range(100):  # its own process writes, and may still be at it
        content = kept.read_bytes()
        if b"lift.ctr.mean" in content:
            break
        time.sleep(0.1)
    missing = [word for word in (b"reward", b"0.25", b"lift.ctr.mean", b"0.75") if word not in content]
    assert not missing, len(content)
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["lift"]


def test_wandb_is_asked_for_and_absent(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match="pip install 'copybandit\\[wandb\\]'"):
        Run("tune", Some(RunOptions(out=tmp_path / "run", track="wandb")))
    assert not (tmp_path / "run").exists()
