"""Show me, side by side: the report of a run made anew, or one report of several runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..simulation.data.errors import InputError
from ..simulation.data.files import read_checked
from .analysis.drawing.run_files import RunFiles
from .analysis.report.page import write_report
from .analysis.report.side_by_side import write_side_by_side
from .harness.files import REMEDY, new_folder
from .harness.options import Idle

SUMMARY = "summary.json"


@dataclass(frozen=True)
class ReportOptions:
    """Options of `copybandit report`."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Directories of finished runs."""
    out: Path | None = None
    """Where the report of several runs goes; by default a new directory under runs/."""

    def idle(self) -> Idle:
        """The report of one run lies in its own directory."""
        return {"out": "with one run, whose report is written in its directory"} if len(self.runs) == 1 else {}


def run_report(options: ReportOptions) -> Path:
    """`copybandit report DIR [DIR…]`.

    One run: its report.html is written again, from the files it left. Several: a new report sets them side by side.

    Raises:
        InputError: no run is named, one of them is not finished or torn, or `out` is in use.
    """
    runs = list(dict.fromkeys(options.runs))
    if not runs:
        raise InputError("no run is named; give the directories of one or more finished runs")
    for run in runs:
        RunFiles(run).check()
    if len(runs) == 1:
        return read_checked(runs[0] / SUMMARY, lambda _: write_report(runs[0]), REMEDY)
    out = new_folder(options.out, "report")
    return read_checked(runs[0] / SUMMARY, lambda _: write_side_by_side(runs, out), REMEDY)
