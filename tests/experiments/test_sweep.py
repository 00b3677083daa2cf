"""A search for settings: any setting of any command, resumed, pruned, and honest about what failed."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from copybandit.experiments.harness.config import read_config
from copybandit.experiments.harness.options import Device, Flat, RunOptions
from copybandit.experiments.harness.run import Run
from copybandit.experiments.sweep import read_plan, run_sweep
from copybandit.simulation.data.errors import InputError

pytest.importorskip("optuna")


@dataclass(frozen=True)
class Options:
    """Of a command that is quick: a parabola with its top at 3."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    device: Device = "cpu"
    x: float = 0.0
    kind: str = "good"
    broken: bool = False


def parabola(options: Options) -> Path:
    if options.broken:
        raise InputError("broken")
    run = Run("parabola", options)
    value = -((options.x - 3) ** 2) - (options.kind == "bad")
    for step in range(3):
        run.record(step, {"value": value})
    run.finish({"value": {"mean": value}, "other": -options.x})
    return run.path


def sweep(tmp_path: Path, **plan: object) -> Path:
    ask = {"maximise": "value.mean", "trials": 8, "search": {"x": {"low": 0.0, "high": 6.0}, "kind": ["good", "bad"]}}
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(ask | plan))
    return run_sweep(Options(RunOptions(out=tmp_path / "out", sweep=path)), "parabola", parabola)


def summary(path: Path) -> dict:
    return json.loads((path / "summary.json").read_text())["sweep"]


def test_a_search_finds_and_explains(tmp_path):
    path = sweep(tmp_path, trials=15)
    found = summary(path)
    assert found["best"]["values"][0] > -1
    assert found["importance"]["x"] > found["importance"]["kind"]
    best = read_config(path / "best.yaml", Options())
    assert best.x == found["best"]["settings"]["x"]
    page = (path / "report.html").read_text()
    assert "15 trials ran to the end" in page and "Importance of settings: x" in page


def test_only_what_is_missing_runs(tmp_path):
    first = summary(sweep(tmp_path, trials=3))
    again = summary(sweep(tmp_path, trials=5))
    assert again["trials"][:3] == first["trials"]
    assert len(again["trials"]) == 5
    assert len(summary(sweep(tmp_path, trials=5))["trials"]) == 5
    with pytest.raises(InputError, match="another search"):
        sweep(tmp_path, search={"x": {"low": 0, "high": 7}})


def test_a_trial_that_was_broken_off_is_run_again(tmp_path, monkeypatch):
    def stop(options):
        raise KeyboardInterrupt

    monkeypatch.setitem(globals(), "parabola", stop)
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path, trials=2)
    monkeypatch.undo()
    assert [trial["state"] for trial in summary(sweep(tmp_path, trials=2))["trials"]] == [
        "fail",
        "complete",
        "complete",
    ]


def test_hopeless_trials_are_given_up(tmp_path):
    found = summary(sweep(tmp_path, trials=14, prune="value"))
    states = [trial["state"] for trial in found["trials"]]
    assert states.count("pruned") >= 2
    assert found["best"]["values"][0] > -1


def test_two_aims_have_a_front(tmp_path):
    path = sweep(tmp_path, maximise=["value.mean", "other"], trials=6)
    assert "on the front" in (path / "report.html").read_text()


def test_trials_that_fail_are_counted(tmp_path):
    path = sweep(tmp_path, trials=6, search={"x": {"low": 0.0, "high": 6.0}, "broken": [True, False]})
    states = {trial["state"] for trial in summary(path)["trials"]}
    assert states == {"complete", "fail"}


def test_a_figure_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no trial of 2 came to an end"):
        sweep(tmp_path, maximise="valu.mean", trials=2)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"maximise": "a", "search": {"y": [1]}}, "'y' is no setting"),
        ({"maximise": "a", "search": {"kin": [1]}}, "perhaps kind"),
        ({"maximise": "a", "search": {"x": {"low": 2, "high": 1}}}, "low below high"),
        ({"maximise": "a", "search": {"x": {"low": 0, "high": 1, "log": True}}}, "above zero"),
        ({"maximise": "a", "serch": {"x": [1]}, "search": {"x": [1]}}, "serch.*perhaps search"),
        ({"search": {"x": [1]}}, "maximise"),
        ({"maximise": ["a", "b"], "prune": "c", "search": {"x": [1]}}, "one figure"),
    ],
)
def test_plans_that_make_no_sense(tmp_path, plan, said):
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(plan))
    with pytest.raises(InputError, match=said):
        read_plan(path, Options())
