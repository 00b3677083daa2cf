"""What lies under a folder of runs: which, how far they got, and what came out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from ....simulation.data.errors import InputError
from ....simulation.data.files import read_checked
from ...harness.config import flat, nearest, value_of
from ...harness.files import REMEDY, read_json, read_yaml
from ..drawing.formats import gain, seconds


@dataclass(frozen=True)
class Past:
    """A run directory, seen from outside."""

    path: Path
    command: str
    began: datetime
    config: Mapping[str, Any]
    """Flat: `tuner.ppo.updates`."""
    summary: Mapping[str, Any] | None
    """None as long as the run has not finished."""
    damage: str = ""
    """What is wrong with its files, in one line; nothing else of it is known then."""

    @property
    def state(self) -> str:
        """'42 s', 'finished' where no time is told, 'unfinished' or 'damaged'."""
        if self.damage:
            return "damaged"
        if self.summary is None:
            return "unfinished"
        stages = self.summary.get("wall_seconds")
        return seconds(sum(stages.values())) if stages else "finished"

    @property
    def result(self) -> str:
        """The figure that a reader would ask for first, or what is wrong."""
        if self.damage:
            return self.damage
        summary = self.summary or {}
        if "lift" in summary:
            return f"reward lift {gain(summary['lift']['reward']['mean'])}"
        if student := summary.get("student"):
            return f"student's reward lift {gain(student['over_untuned']['student']['reward']['mean'])}"
        if summary.get("agents"):
            best, row = max(summary["agents"].items(), key=lambda item: item[1]["reward"]["mean"])
            return f"{best} captures {row['capture']['mean']:.2f}"
        if tested := summary.get("tested"):
            return f"{tested['with a winner']} of {tested['tests']} tests have a winner"
        return ""


def past_runs(folder: Path) -> list[Past]:
    """The runs in a folder and below, oldest first.

    Raises:
        InputError: no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder that holds run directories")
    found = [_past(path.parent) for path in folder.rglob("environment.json")]
    return sorted(found, key=lambda run: (run.began, run.path))


def _past(path: Path) -> Past:
    began = datetime.fromtimestamp((path / "environment.json").stat().st_mtime)
    try:
        return _read(path, began)
    except InputError as error:
        return Past(path, "", began, {}, None, str(error))


def _read(path: Path, began: datetime) -> Past:
    environment = read_json(path / "environment.json")
    config_file = path / "config.yaml"
    config = read_yaml(config_file) if config_file.is_file() else {}
    summary = read_json(path / "summary.json") if (path / "summary.json").is_file() else None
    run = Past(path, str(environment.get("command", "")), began, flat(config), summary)
    read_checked(path / "environment.json", lambda _: (run.state, run.result), REMEDY)
    return run


def selected(runs: list[Past], where: str) -> list[Past]:
    """Runs whose settings are as asked.

    Args:
        runs: to choose from.
        where: 'seed=0,ppo.updates=120'; values are compared as YAML reads them.

    Raises:
        InputError: not written like that, or a setting that no run has.
    """
    for condition in filter(None, (part.strip() for part in where.split(","))):
        key, equals, value = condition.partition("=")
        known = {name.partition(".")[2] or name for run in runs for name in run.config}
        if not equals:
            raise InputError(f"--where {condition}: write setting=value, such as seed=0")
        if runs and all(value_of(run.config, key) is None for run in runs) and key not in known:
            raise InputError(f"--where {condition}: no run has a setting '{key}'{nearest(key, known)}")
        try:
            wanted = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, LookupError, RecursionError):
            raise InputError(f"--where {condition}: its value is no YAML; write one such as seed=0") from None
        runs = [run for run in runs if value_of(run.config, key) == wanted]
    return runs
