"""The section of the report on tests that were run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..drawing.formats import gain, percent
from ..drawing.plots import LIGHT, Plot, label_rows, new_axes, percent_axis, plot_of, styled
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by
from .verdicts import Verdict

MOST_SHOWN = 200
"""Texts that the page lists; the files have all."""
DRAWN = 20
"""Texts of one test that are drawn, at most."""
LONG = 44
"""Letters of a text beside the plot."""


@told_by("tested")
def verdicts(run: RunFiles, tested: Any) -> Section:
    """Who wins, by how much, how much longer, and whether impressions were dealt as planned."""
    found = [(one.pop("test_id"), Verdict(**one)) for one in map(dict, run.summary["verdicts"])]
    against = "the rest of their test" if tested["against"] == "rest" else "the first of their test"
    chance = percent(tested["level"], 0)
    told = (
        found[0][1].sentence()
        if len(found) == 1
        else (
            f"{tested['with a winner']:,} of {tested['tests']:,} tests have a winner; {tested['differ']:,} of "
            f"{tested['texts']:,} texts differ from {against}, with at most {chance} of false discoveries among them"
        )
    )
    text = [
        f"{told[0].upper()}{told[1:]}.",
        f"Texts are held against {against} by {tested['metric']} an impression. Intervals hold whenever "
        f"one looks, each by {percent(1 - tested['level'], 0)}, and so does p. A winner beats every other text of its "
        f"test; a false one is ever called with a chance of {chance} at most, however often one looks. Among texts "
        f"marked as differing at most {chance} are false discoveries.",
    ]
    alarms = []
    if broken := tested["not dealt as planned"]:
        names = [name or "the test" for name, verdict in found if verdict.winner is None and not verdict.dealt]
        alarms.append(
            f"Impressions of {broken:,} of {tested['tests']:,} tests were not dealt as planned ({', '.join(names[:3])}"
            f"{', ...' if broken > 3 else ''}): what they say of texts is not to be trusted, and nothing is called."
        )
    lifts = run.table("lifts.parquet")
    drawn = [_lifts_plot(lifts)] if len(found) == 1 and len(lifts) <= DRAWN else []
    tables = [*([_tests_table(found)] if len(found) > 1 else []), _texts_table(lifts)]
    return Section("Who wins", text, alarms, drawn, tables)


def lift_of(row: Mapping[str, Any]) -> str:
    """'+4.6% (-2.0% to +12.1%)'; of the control, that it is."""
    if pd.isna(row["lift_low"]):
        return "control"
    return f"{_bounded(row['lift'])} ({gain(row['lift_low'])} to {_bounded(row['lift_high'])})"


def _bounded(lift: float) -> str:
    """A lift over texts that nobody clicked has no bound."""
    return gain(lift) if np.isfinite(lift) else "no bound"


def _texts_table(lifts: pd.DataFrame) -> Table:
    shown = lifts.head(MOST_SHOWN)
    named = [name for name in ("test_id", "group") if name in shown]
    rows = [
        [
            *(str(row[name]) for name in named),
            row["text"],
            f"{row['impressions']:,.0f}",
            percent(row["rate"], 2),
            lift_of(row),
            "" if pd.isna(row["p"]) else "< 0.001" if row["p"] < 0.001 else f"{row['p']:.3f}",
            "wins" if row["winner"] else "differs" if row["differs"] else "",
        ]
        for row in shown.to_dict("records")
    ]
    columns = [
        *(name.replace("_id", "").capitalize() for name in named),
        "Text",
        "Impressions",
        "Rate",
        "Lift",
        "p",
        "",
    ]
    some = "" if len(lifts) <= MOST_SHOWN else f", the first {MOST_SHOWN} of {len(lifts):,} (all are in lifts.csv)"
    return Table(f"Texts{some}", columns, rows, prose=True)


def _tests_table(found: list[tuple[str, Verdict]]) -> Table:
    rows = [[name or "the test", verdict.sentence()] for name, verdict in found[:MOST_SHOWN]]
    some = "" if len(found) <= MOST_SHOWN else f", the first {MOST_SHOWN} of {len(found):,}"
    return Table(f"Verdicts{some}", ["Test", "What may be said now"], rows, prose=True)


@styled
def _lifts_plot(lifts: pd.DataFrame) -> Plot:
    """Lifts of one test's texts with their bounds, a row a text."""
    lifts = lifts[lifts["lift_low"].notna()]
    figure, axes = new_axes(0.9 + 0.38 * len(lifts))
    rows = np.arange(len(lifts))
    far = 1.2 * float(lifts["lift_high"].replace(np.inf, np.nan).max(skipna=True) or 1)
    axes.axvline(0, color=LIGHT["grey"], linewidth=1.2)
    axes.hlines(rows, lifts["lift_low"], lifts["lift_high"].clip(upper=far), color=LIGHT["blue"], linewidth=3)
    axes.plot(lifts["lift"].clip(upper=far), rows, "o", color=LIGHT["blue"], markersize=6)
    label_rows(axes, [text if len(text) <= LONG else text[: LONG - 1] + "…" for text in lifts["text"]])
    percent_axis(axes.xaxis)
    axes.set_xlabel("lift")
    told = "; ".join(f"{row['text']} {lift_of(row)}" for row in lifts.to_dict("records"))
    return plot_of("lifts", figure, f"Lifts: {told}.", "Bars: bounds that hold whenever one looks.")
