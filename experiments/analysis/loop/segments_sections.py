"""The report's section on segments: who they are, and what tuning the writer gave each."""

import pandas as pd

from ...harness.files import load_table
from ..drawing.formats import gain, percent
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table
from . import gallery

COUNTS = ("segment", "users", "share", "views", "visits", "purchases")
"""Columns of a profile that are no shares; see `simulation.segments`."""


def segments_section(run: RunFiles) -> Section | None:
    """A row a segment of `segments.csv`; None where the run has none."""
    file = run.path / "segments.csv"
    if not file.is_file():
        return None
    profile = load_table(file)
    gains = gallery.mean_gains(run.creatives, "audience") if run.both_writers else pd.DataFrame()
    rows = [
        [
            str(row["segment"]),
            percent(row["share"]),
            stands_out(profile, i),
            *(
                gain(gains.loc[row["segment"], f"gold_{rate}"]) if row["segment"] in gains.index else ""
                for rate in RATES
            ),
        ]
        for i, (_, row) in enumerate(profile.iterrows())
    ]
    columns = ["Segment", "Users", "More than others", "CTR, gold", "CVR, gold"]
    text = "What sets a segment apart is the share of what it did that exceeds everybody's most."
    if run.both_writers and not any(row[-1] for row in rows):
        text += " Texts were not written for segments, so no gain can be given by segment."
    return Section("To whom", [text], tables=[Table("Segments, and what tuning gave them", columns, rows)])


RATES = ("ctr", "cvr")


def stands_out(profile: pd.DataFrame, row: int, most: int = 2) -> str:
    """The behaviours whose share exceeds that of all users most, with both shares; the clearest first."""
    shares = profile.drop(columns=[name for name in COUNTS if name in profile])
    overall = shares.mul(profile["share"], axis=0).sum()
    above = (shares.iloc[row] - overall).sort_values(ascending=False, kind="stable")
    named = [str(name) for name in above.index[above > 0][:most]]
    return ", ".join(f"{name} {percent(shares.iloc[row][name], 0)} (all {percent(overall[name], 0)})" for name in named)
