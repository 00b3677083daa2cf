"""A run that is killed goes on as if it had not been."""

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
from copybandit.experiments.harness.config import configured
from copybandit.experiments.tune import run_tune
from copybandit.experiments.writing.options import TuneOptions
from copybandit.simulation.data.errors import InputError
from safetensors.torch import load_file

SCENARIO = Path(__file__).parent.parent / "data" / "tiny.yaml"
OTHERS = {
    "raft": {"algorithm": "raft", "raft.rounds": 2, "raft.texts": 4, "raft.batch": 4, "looks": 16},
    "rloo": {"algorithm": "rloo", "rloo.updates": 8, "rloo.batch": 16, "rloo.mini_batches": 2},
}
SMALL = {
    "algorithm": "ppo",
    "users": 40,
    "log_impressions": 4000,
    "validation_impressions": 2000,
    "looks": 4,
    "effect.steps": 20,
    "model": "built-in",
    "writer.layers": 1,
    "writer.width": 32,
    "writer.heads": 2,
    "writer.vocabulary": 400,
    "writer.max_new_tokens": 8,
    "warm_start.lines": 160,
    "ppo.updates": 8,
    "ppo.batch": 16,
    "ppo.mini_batches": 2,
    "ppo.learning_rate": 3e-3,
}


def options(**changes: object) -> TuneOptions:
    return configured(configured(TuneOptions(), scenario=str(SCENARIO)), **(SMALL | changes))


def in_a_process(given: TuneOptions) -> multiprocessing.Process:
    """A real process that can be killed; forked, as importing everything anew would take most of the time."""
    process = multiprocessing.get_context("fork").Process(target=run_tune, args=(given,))
    process.start()
    return process


def lines(run: Path) -> int:
    path = run / "metrics.csv"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run that nothing happened to."""
    return run_tune(options(out=tmp_path_factory.mktemp("whole") / "run"))


def leaves(run: Path) -> tuple[str, dict]:
    summary = json.loads((run / "summary.json").read_text())
    return (run / "metrics.csv").read_text(), {name: value for name, value in summary.items() if name != "wall_seconds"}


def weights(run: Path) -> dict[str, list]:
    return {name: tensor.tolist() for name, tensor in load_file(run / "checkpoint" / "model.safetensors").items()}


def test_killed_at_five_random_moments(whole, tmp_path):
    assert kills(whole, tmp_path / "run") >= 3


@pytest.mark.parametrize("way", OTHERS)
def test_other_ways_resume_too(way, tmp_path):
    whole = run_tune(options(out=tmp_path / "whole", **OTHERS[way]))
    assert kills(whole, tmp_path / "run", **OTHERS[way]) >= 3


def kills(whole: Path, run: Path, **changes: object) -> int:
    """Kills a run at five random moments and compares what it ends with; how often there was something to kill."""
    moments, killed = random.Random(0), 0
    written = lines(whole)
    resumed = options(out=run, **changes)
    for _ in range(5):
        stop_after = moments.randint(0, written)
        process = in_a_process(resumed)
        while process.is_alive() and lines(run) < stop_after:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.2))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.join()
        if (run / "summary.json").exists():
            break
        if (run / "config.yaml").exists():
            resumed = options(resume=run, **changes)
    if not (run / "summary.json").exists():
        run_tune(resumed)
    assert leaves(run) == leaves(whole)
    assert weights(run) == weights(whole)
    return killed


def broken_off(tmp_path: Path, after: int = 4) -> Path:
    """A run killed once the state after `after` updates is on the disk."""
    run = tmp_path / "run"
    process = in_a_process(options(out=run))
    while not (run / "state" / "tuning" / f"step-{after:08d}.safetensors").exists():
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return run


def test_a_damaged_state_is_noticed_and_the_one_before_it_used(whole, tmp_path, capsys):
    run = broken_off(tmp_path)
    newest = sorted((run / "state" / "tuning").glob("step-*.safetensors"))[-1]
    content = newest.read_bytes()
    newest.write_bytes(content[:-100] + bytes(100))
    run_tune(options(resume=run))
    assert "does not match its digest" in " ".join(capsys.readouterr().out.split())
    assert leaves(run) == leaves(whole)


def test_what_cannot_be_resumed_says_why(whole, tmp_path):
    before = (whole / "metrics.csv").read_bytes()
    with pytest.raises(InputError, match="finished, there is nothing to resume"):
        run_tune(options(resume=whole))
    with pytest.raises(InputError, match="not the directory of a tune run"):
        run_tune(options(resume=tmp_path))
    assert (whole / "metrics.csv").read_bytes() == before
    run = broken_off(tmp_path)
    with pytest.raises(InputError, match="began with another seed; resume it with its own options"):
        run_tune(options(resume=run, seed=1))
    environment = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps(environment | {"command": "loop"}))
    with pytest.raises(InputError, match="a run of `copybandit loop`"):
        run_tune(options(resume=run))
