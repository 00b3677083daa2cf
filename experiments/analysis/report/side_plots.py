"""Plots of several runs over each other."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.ticker import MaxNLocator

from ..drawing.formats import gain, number, percent
from ..drawing.plots import (
    COLOURS,
    LIGHT,
    Plot,
    label_rows,
    legend_above,
    mark_estimate,
    new_axes,
    percent_axis,
    plot_of,
    styled,
)
from ..statistics.bootstrap import Interval

MARKS = "os^vDPX*<>"


def _look(i: int) -> tuple[str, str]:
    return LIGHT[COLOURS[i % len(COLOURS)]], MARKS[i % len(MARKS)]


@styled
def lifts_plot(lifts: Mapping[str, Mapping[str, Interval]]) -> Plot:
    """Gold lifts of every run with their intervals, grouped by rate."""
    names = ("ctr", "cvr", "reward")
    figure, axes = new_axes(1.2 + 0.28 * len(names) * (len(lifts) + 1))
    told, step = [], 0.8 / len(lifts)
    for i, (run, lift) in enumerate(lifts.items()):
        colour, mark = _look(i)
        for row, name in enumerate(names):
            y, value = row - 0.4 + step * (i + 0.5), lift[name]
            mark_estimate(axes, y, value, colour, mark, label=run if row == 0 else None)
        told.append(f"{run} " + ", ".join(f"{name} {gain(lift[name]['mean'])}" for name in names))
    axes.axvline(0, color=LIGHT["grey"], linewidth=1.2)
    label_rows(axes, [name if name == "reward" else name.upper() for name in names])
    percent_axis(axes.xaxis)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("gold lift, tuned over untuned writer")
    legend_above(axes, 1, fontsize=8)
    return plot_of("lifts", figure, f"Lift by run: {'; '.join(told)}.", "Marks and bars: estimates and 95% intervals.")


@styled
def front_plot(points: Mapping[str, tuple[float, Interval]], on_front: Sequence[bool]) -> Plot:
    """Reward lift over the diversity kept; the Pareto front is joined by a line.

    Args:
        points: by run: share of the untuned writer's diversity kept, lift of the gold reward.
        on_front: by run.
    """
    figure, axes = new_axes(4.2)
    for i, (run, (kept, lift)) in enumerate(points.items()):
        colour, mark = _look(i)
        axes.plot([kept, kept], [lift["low"], lift["high"]], color=colour, linewidth=2)
        axes.plot(kept, lift["mean"], mark, color=colour, markersize=8, label=run)
    best = sorted((kept, lift["mean"]) for (kept, lift), on in zip(points.values(), on_front, strict=True) if on)
    axes.step(*zip(*best, strict=True), where="pre", color=LIGHT["grey"], linestyle="--", linewidth=1.4, zorder=0)
    axes.set_xlabel("diversity kept (Vendi score, tuned over untuned)")
    axes.set_ylabel("gold reward lift")
    percent_axis(axes.yaxis)
    axes.xaxis.set_major_formatter(lambda share, _: f"{round(100 * share, 4):g}%")
    legend_above(axes, 1, fontsize=8)
    told = "; ".join(f"{run} keeps {percent(kept, 0)} at {gain(lift['mean'])}" for run, (kept, lift) in points.items())
    caption = "Up and to the right is better. Dashed: the front; no other run is ahead of its runs in both."
    return plot_of("pareto", figure, f"Reward lift against diversity kept: {told}.", caption)


@styled
def gold_plot(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> Plot:
    """Relative change of the gold reward along the tuning of every run, over sqrt(KL)."""
    figure, axes = new_axes(4.2)
    told = []
    for i, (run, curve) in enumerate(curves.items()):
        points = pd.DataFrame(list(curve))
        change = points["gold"] / points["gold"].iloc[0] - 1
        colour, mark = _look(i)
        axes.plot(points["sqrt_kl"], change, f"{mark}-", color=colour, markersize=5, label=run)
        told.append(f"{run} ended at {gain(change.iloc[-1])}, √KL {number(points['sqrt_kl'].iloc[-1], 1)}")
    axes.axhline(0, color=LIGHT["grey"], linewidth=1.2)
    axes.set_xlabel("√KL from the untuned writer (√nats)")
    axes.set_ylabel("gold reward, relative change")
    percent_axis(axes.yaxis)
    legend_above(axes, 1, fontsize=8)
    return plot_of("gold", figure, f"Gold reward along the tuning: {'; '.join(told)}.", "What training never sees.")


@styled
def captures_plot(captures: Mapping[str, Mapping[str, Interval]]) -> Plot:
    """Capture of every agent in every run, with intervals."""
    agents = list(dict.fromkeys(agent for row in captures.values() for agent in row))
    figure, axes = new_axes(1.0 + 0.22 * len(agents) * (len(captures) + 1))
    told, step = [], 0.8 / len(captures)
    for i, (run, row) in enumerate(captures.items()):
        colour, mark = _look(i)
        for agent, value in row.items():
            y = agents.index(agent) - 0.4 + step * (i + 0.5)
            mark_estimate(axes, y, value, colour, mark, 6, label=run if agent == next(iter(row)) else None)
        told.append(f"{run}: " + ", ".join(f"{agent} {number(value['mean'])}" for agent, value in row.items()))
    axes.axvline(0, color=LIGHT["grey"], linewidth=1.2)
    label_rows(axes, agents)
    axes.set_xlabel("capture")
    legend_above(axes, 1, fontsize=8)
    return plot_of("captures", figure, f"Capture by run. {'. '.join(told)}.", "Bars: 95% intervals over seeds.")
