"""The report's plots of a fitted world beside what it was fitted to."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from ..drawing.formats import number, percent
from ..drawing.plots import LIGHT, Plot, label_rows, legend_above, mark_estimate, new_axes, plot_of, styled


@styled
def calibration_plot(deciles: pd.DataFrame) -> Plot:
    """CTR of the log over that of the fit, a mark a decile of the fit."""
    figure, axes = new_axes(3.6)
    most = float(max(deciles["high"].max(), deciles["fitted"].max()))
    axes.plot([0, most], [0, most], color=LIGHT["grey"], linewidth=1.2, label="as fitted")
    axes.vlines(deciles["fitted"], deciles["low"], deciles["high"], color=LIGHT["blue"], linewidth=2.5)
    rate = deciles["clicks"] / deciles["rows"]
    axes.plot(deciles["fitted"], rate, "o", color=LIGHT["blue"], markersize=6, label="logged")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("CTR by the fit")
    axes.set_ylabel("CTR in the log")
    axes.legend(loc="best")
    told = "; ".join(f"{percent(f, 2)} {percent(r, 2)}" for f, r in zip(deciles["fitted"], rate, strict=True))
    return plot_of(
        "fit-deciles", figure, f"CTR fitted and logged: {told}.", "Later rows by tenths of the fit, with 95% bars."
    )


@styled
def groups_plot(fit: pd.DataFrame) -> Plot:
    """CTR of the log with its interval and as fitted, a row a group."""
    figure, axes = new_axes(1.1 + 0.25 * len(fit))
    rows = np.arange(len(fit))
    axes.hlines(rows, fit["low"], fit["high"], color=LIGHT["blue"], linewidth=3)
    axes.plot(fit["clicks"] / fit["rows"], rows, "o", color=LIGHT["blue"], markersize=6, label="logged")
    axes.plot(fit["fitted"], rows, "D", color=LIGHT["red"], markersize=5, label="fitted")
    short = fit["by"].replace({"hours of the day": "hours"})
    label_rows(axes, (short + " " + fit["group"]).tolist())
    axes.tick_params(axis="y", labelsize=8)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("CTR")
    legend_above(axes, 2)
    outside = fit[~fit["inside"]]
    named = ", ".join(outside["by"] + " " + outside["group"]) or "none"
    alt = f"CTR of {len(fit)} groups, logged and fitted; outside the log's interval: {named}."
    return plot_of("fit-groups", figure, alt, "Bars: 95% intervals of the log's later rows.")


@styled
def delay_plot(delays: pd.DataFrame) -> Plot:
    """Share of conversions that have come, over hours since the click."""
    figure, axes = new_axes(3.3)
    axes.fill_between(delays["hours"], delays["low"], delays["high"], color=LIGHT["faint"], linewidth=0)
    axes.plot(delays["hours"], delays["logged"], "o", color=LIGHT["blue"], label="logged")
    axes.plot(delays["hours"], delays["fitted"], color=LIGHT["red"], label="fitted")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("hours since the click")
    axes.set_ylabel("conversions that came")
    axes.legend(loc="best")
    middle = delays.iloc[len(delays) // 2]
    alt = (
        f"After {number(middle['hours'], 1)} hours {percent(middle['logged'], 0)} of conversions had come, "
        f"{percent(middle['fitted'], 0)} by the fit."
    )
    return plot_of(
        "fit-delays", figure, alt, "Of clicks that were watched to the end of the scale. Grey: 95% intervals."
    )


@styled
def spread_plot(spread: Mapping[str, Any]) -> Plot:
    """How far texts of a test differ, in the archive and in the world."""
    figure, axes = new_axes(2.4)
    rows = [(label, side) for label in ("held_out", "own") for side in ("archive", "world")]
    for row, (part, side) in enumerate(rows):
        value, colour = spread[part]["texts"][side], LIGHT["blue" if side == "archive" else "red"]
        mark_estimate(axes, row, value, colour, width=3)
    names = {"held_out": "held out", "own": "its own"}
    label_rows(axes, [f"{names[part]}: {side}" for part, side in rows])
    axes.set_xlim(left=0)
    axes.set_xlabel("standard deviation inside tests, log-odds")
    told = "; ".join(f"{names[p]} {s} {number(spread[p]['texts'][s]['mean'], 3)}" for p, s in rows)
    return plot_of("spread", figure, f"Spread of texts inside tests: {told}.", "Bars: 95% intervals over groups.")
