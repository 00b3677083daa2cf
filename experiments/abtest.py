"""Who wins this test, by how much, and may I stop? Counts of tests that were run, judged whenever one likes to look."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

from ..simulation.data.columns import ColumnNames, parse_columns, read_here, refuse_unmet
from ..simulation.data.errors import InputError
from .analysis.abtest.sections import lift_of
from .analysis.abtest.verdicts import COUNTS, NAMES, Against, Metric, Verdict, counted, judged, read_counts
from .analysis.drawing.formats import percent
from .analysis.report.page import write_report
from .harness.files import new_folder, write_json, write_table
from .harness.options import torch_device
from .harness.run import write_settings

SHOWN = 12
"""Tests that the terminal lists."""
CAVEAT = (
    "What was measured, of the visitors who came. It holds where each impression was dealt by a fixed chance: not "
    "where an ad server or a bandit showed more of what earned more, nor where one visitor brings many impressions."
)


@dataclass(frozen=True)
class AbtestOptions:
    """Options of `copybandit abtest`."""

    counts: Annotated[Path, tyro.conf.Positional]
    """Table with `text, impressions, clicks`, a row a text or a text and day; perhaps `conversions`, `test_id`,
    `group`, and `share`, the share of the impressions that was planned for each (alike by default)."""
    columns: ColumnNames = ""
    """Columns of the table that have other names there: text=Headline."""
    metric: Metric = "clicks"
    """What an impression is to bring."""
    against: Against = "rest"
    """What a text is held against: the rest of its test, or the first text of it, the control."""
    level: float = 0.05
    """Chance of calling a false winner ever, however often one looks; also of intervals, and of false discoveries."""
    out: Path | None = None
    """Where results go; by default a new directory under runs/. A directory with something in it is refused."""

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise InputError(f"--level {self.level:g}: give a chance between 0 and 1, such as 0.05")


def run_abtest(options: AbtestOptions) -> Path:
    """`copybandit abtest COUNTS`: leaves lifts.parquet, lifts.csv, verdicts in summary.json, and a page.

    Raises:
        InputError: the table is no good, or `out` is in use.
    """
    path = new_folder(options.out, "abtest")
    columns = read_here(parse_columns(options.columns), list(COUNTS.columns))
    counts = read_counts(options.counts, columns, options.metric)
    refuse_unmet(columns, options.counts)
    lifts, verdicts = judged(counts, options.metric, options.against, options.level)
    write_settings(path, "abtest", options, torch_device("cpu"))
    write_table(path / "lifts.parquet", lifts)
    write_table(path / "lifts.csv", lifts)
    asked = {"metric": options.metric, "against": options.against, "level": options.level}
    tested = counted(verdicts) | {"texts": len(lifts), "differ": int(lifts.differs.sum()), **asked}
    names = lifts.drop_duplicates("test").get("test_id", pd.Series([""] * len(verdicts)))
    told = [{"test_id": name, **asdict(verdict)} for name, verdict in zip(names, verdicts, strict=True)]
    write_json(path / "summary.json", {"command": "abtest", "tested": tested, "verdicts": told, "caveat": CAVEAT})
    write_report(path)
    print("\n".join(_lines(lifts, verdicts)))
    return path


def _lines(lifts: pd.DataFrame, verdicts: Sequence[Verdict]) -> list[str]:
    """For the terminal: how many tests ended how; each text with its rate and lift, each test's verdict under it."""
    found = counted(verdicts)
    lines = [", ".join(f"{count:,} {what}" for what, count in found.items())] if len(verdicts) > 1 else []
    for (_, test), verdict in zip(lifts.groupby("test", sort=False), verdicts[:SHOWN], strict=False):
        names = [str(test[name].iloc[0]) for name in NAMES if name in test]
        lines += [f"{', '.join(names)}:"] if len(verdicts) > 1 and names else []
        lines += [
            f"{percent(row['rate'], 2):>7}  {lift_of(row):<26}  {' '.join(row['text'].split())}"
            for row in test.to_dict("records")
        ]
        lines.append(f"  {verdict.sentence()}")
    more = len(verdicts) - SHOWN
    return [*lines, *([f"... and {more:,} more tests"] if more > 0 else [])]
