"""The report's plots of real A/B tests: promises kept, capture against traffic."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from ..drawing.formats import number, number_range, percent
from ..drawing.plots import LIGHT, Plot, legend_above, mark_estimate, new_axes, percent_axis, plot_of, styled
from ..statistics.bootstrap import Interval
from .placements import NO_END, OURS

STYLES = {
    OURS: ("blue", "o-"),
    NO_END: ("blue", "o:"),
    "text-only": ("gold", "s--"),
    "thompson-eb": ("green", "^-"),
    "thompson-flat": ("green", "v:"),
    "kl-ucb": ("purple", "D-"),
    "ucb1": ("purple", "d:"),
    "ab-10": ("red", "<:"),
    "ab-20": ("red", "x-"),
    "ab-50": ("red", ">--"),
    "ab-early": ("grey", "+-"),
}
"""Colour and line by policy."""


@styled
def capture_plot(capture: Mapping[str, Mapping[str, Interval]], bound: Mapping[str, Interval]) -> Plot:
    """Capture by impressions a test, a line a policy, and what no policy exceeds on top; bars at ours."""
    figure, axes = new_axes(4.8)
    traffic, told = [int(total) for total in capture], []
    if bound:
        means = [row["mean"] for row in bound.values()]
        axes.fill_between(traffic, means, 1.0, color=LIGHT["grey"], alpha=0.25, linewidth=0, label="out of reach")
        told.append(f"no policy more than {', '.join(number(mean) for mean in means)}")
    for name, (colour, style) in STYLES.items():
        rows = [capture[str(total)][name] for total in traffic if name in capture[str(total)]]
        if not rows:
            continue
        means = [row["mean"] for row in rows]
        width = 2.8 if name == OURS else 1.4
        axes.plot(traffic, means, style, color=LIGHT[colour], linewidth=width, markersize=5, label=name)
        if name == OURS:
            bars = [[row["mean"] - row["low"] for row in rows], [row["high"] - row["mean"] for row in rows]]
            axes.errorbar(traffic, means, bars, fmt="none", ecolor=LIGHT[colour], capsize=3)
        told.append(f"{name} {', '.join(number(mean) for mean in means)}")
    axes.axhline(0, color=LIGHT["grey"], linewidth=1.2)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(traffic))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("impressions a test")
    axes.set_ylabel("capture")
    legend_above(axes, 3)
    alt = f"Capture at {', '.join(f'{total:,}' for total in traffic)} impressions a test: {'; '.join(told)}."
    return plot_of(
        "capture", figure, alt, "0: every text shown as often; 1: the best from the start. Bars: 95% over tests."
    )


@styled
def reliability_plot(bins: Sequence[Mapping[str, Any]]) -> Plot:
    """Promised probabilities against the share of pairs in which they came true."""
    figure, axes = new_axes(3.6)
    promised, kept = ([row[name] for row in bins] for name in ("promised", "kept"))
    ends = [0.5, max([*promised, *kept, 0.6])]
    axes.plot(ends, ends, color=LIGHT["grey"], linewidth=1.2, linestyle=(0, (3, 2)))
    axes.plot(promised, kept, "o-", color=LIGHT["blue"])
    axes.set_xlabel("probability given to the text predicted ahead")
    axes.set_ylabel("share of pairs it won")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
    told = "; ".join(f"{percent(p)} promised, {percent(k)} kept" for p, k in zip(promised, kept, strict=True))
    return plot_of("reliability", figure, f"Promises and what became of them: {told}.", "Bins of equally many pairs.")


@styled
def words_plot(rows: Sequence[Mapping[str, Any]]) -> Plot:
    """What goes with more or fewer clicks than its siblings get, with intervals."""
    rows = sorted(rows, key=lambda row: -row["effect"]["mean"])
    figure, axes = new_axes(0.9 + 0.24 * len(rows))
    for place, row in enumerate(rows):
        mark_estimate(
            axes, place, row["effect"], LIGHT["blue" if row["effect"]["mean"] > 0 else "red"], size=5, width=2
        )
    axes.axvline(0, color=LIGHT["grey"], linewidth=1.2)
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows], fontsize=8.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    percent_axis(axes.xaxis)
    axes.set_xlabel("click rate against the other texts of the test")
    told = "; ".join(f"{_label(row)} {number_range(row['effect'], 3)}" for row in rows)
    return plot_of("what-matters", figure, f"Effects on click rate: {told}.", "Each looked at alone. Bars: 95%.")


def _label(row: Mapping[str, Any]) -> str:
    return f"“{row['name']}”" if row["kind"] == "word" else f"{row['name']} (style)"
