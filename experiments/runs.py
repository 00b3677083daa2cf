"""What have I run? A table of run directories, and which of them answer a question."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .analysis.report.past_runs import Past, past_runs, selected
from .harness.config import value_of


@dataclass(frozen=True)
class RunsOptions:
    """Options of `copybandit runs`."""

    folder: Annotated[Path, tyro.conf.Positional] = Path("runs")
    """Where run directories are looked for, at any depth."""
    command: str = ""
    """Only runs of this command."""
    where: str = ""
    """Only runs with these settings, such as seed=0,ppo.updates=120."""
    finished: bool = False
    """Only runs that have finished."""


def list_runs(options: RunsOptions) -> str:
    """`copybandit runs [FOLDER]`: one line a run, oldest first.

    Raises:
        InputError: no such folder, or a setting that no run has.
    """
    runs = selected(past_runs(options.folder), options.where)
    runs = [run for run in runs if options.command in ("", run.command) and (run.summary or not options.finished)]
    if not runs:
        return f"no such run under {options.folder}"
    lines = [("run", "command", "began", "took", "seed", "result"), *(_line(run, options.folder) for run in runs)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(n) for cell, n in zip(line, widths, strict=True)).rstrip() for line in lines)


def _line(run: Past, folder: Path) -> tuple[str, ...]:
    seed = str(value_of(run.config, "seed") if value_of(run.config, "seed") is not None else "")
    name = str(run.path.relative_to(folder))
    return (name, run.command, f"{run.began:%Y-%m-%d %H:%M}", run.state, seed, run.result)
