"""The report's plots of writing and placing."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ..drawing.formats import gain, gain_range, number, number_range, percent
from ..drawing.plots import (
    LIGHT,
    WRITER_COLOUR,
    Plot,
    eighth,
    in_thousands,
    label_rows,
    legend_above,
    mark_estimate,
    new_axes,
    percent_axis,
    plot_of,
    smooth,
    styled,
)
from ..statistics.bootstrap import Interval


@styled
def lift_plot(lift: Mapping[str, Interval], targets: Mapping[str, float], over: str = "users") -> Plot:
    """Lifts with their intervals, the zero line and the targets."""
    figure, axes = new_axes(0.9 + 0.55 * len(lift))
    for row, (name, value) in enumerate(lift.items()):
        mark_estimate(axes, row, value, LIGHT["blue"], size=8, width=3)
        if name in targets:
            axes.plot(
                [targets[name]] * 2, [row - 0.3, row + 0.3], color=LIGHT["red"], linestyle=(0, (3, 2)), linewidth=2
            )
    axes.axvline(0, color=LIGHT["grey"], linewidth=1.2)
    label_rows(axes, [name if name == "reward" else name.upper() for name in lift])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    percent_axis(axes.xaxis)
    axes.set_xlabel("gold lift, tuned over untuned writer")
    told = "; ".join(f"{name} {gain(v['mean'])}, {gain_range(v)}" for name, v in lift.items())
    aims = ", ".join(f"{name} {gain(target)}" for name, target in targets.items() if name in lift)
    alt = f"Lift of the tuned over the untuned writer with 95% intervals: {told}. Targets: {aims or 'none'}."
    caption = f"Dot and bar: estimate and 95% interval over {over}." + (" Dashed: target." if aims else "")
    return plot_of("lift", figure, alt, caption)


@styled
def grid_plot(grid: Mapping[str, Mapping[str, Interval]]) -> Plot:
    """Gold reward an impression of every writer and placement, with intervals."""
    cells = [(writer, placement, value) for writer, row in grid.items() for placement, value in row.items()]
    figure, axes = new_axes(0.9 + 0.5 * len(cells))
    for row, (writer, placement, value) in enumerate(cells):
        colour = WRITER_COLOUR.get(writer, LIGHT["green"])
        inside = LIGHT["paper"] if placement == "uniform" else colour
        mark_estimate(axes, row, value, colour, size=9, width=3, markerfacecolor=inside, markeredgewidth=2)
    label_rows(axes, [f"{writer}, {placement}" for writer, placement, _ in cells])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("gold reward an impression")
    told = "; ".join(f"{w} writer, {p} {number(v['mean'], 4)}, {number_range(v)}" for w, p, v in cells)
    alt = f"Gold reward an impression by writer and placement, with 95% intervals: {told}."
    return plot_of("grid", figure, alt, "Hollow: uniform placement; filled: bandit. Bars: 95% intervals over users.")


@styled
def proxy_gold_plot(curve: Sequence[Mapping[str, float]]) -> Plot:
    """Change since the start of what is trained on (proxy) and of what is judged by (gold), over sqrt(KL)."""
    points = pd.DataFrame(list(curve))
    x = points["sqrt_kl"]
    proxy = points["proxy"] - points["proxy"].iloc[0]
    figure, (top, bottom) = new_axes(4.6, rows=2)
    top.plot(x, proxy, "s--", color=LIGHT["purple"], markersize=5)
    top.set_ylabel("proxy reward,\nchange in its units")
    top.set_title("trained on: the effect model (proxy)", loc="left", fontsize=10)
    styles = {
        "gold": ("gold reward", "gold", "o-"),
        "gold_ctr": ("CTR", "blue", "^:"),
        "gold_cvr": ("CVR", "green", "v:"),
        "validation": ("validation model's reward", "red", "x-."),
    }
    for name, (label, colour, mark) in styles.items():
        if name in points:
            width = 2.4 if name == "gold" else 1.5
            change = points[name] / points[name].iloc[0] - 1
            bottom.plot(x, change, mark, color=LIGHT[colour], markersize=5, linewidth=width, label=label)
    bottom.set_ylabel("gold, relative\nchange")
    bottom.set_title("judged by: the world (gold)", loc="left", fontsize=10)
    bottom.set_xlabel("√KL from the untuned writer (√nats)")
    bottom.legend(loc="best")
    percent_axis(bottom.yaxis)
    for axes in (top, bottom):
        axes.axhline(0, color=LIGHT["grey"], linewidth=1.2)
    gold = points["gold"] / points["gold"].iloc[0] - 1
    alt = (
        f"Over the square root of the KL divergence, from {number(x.iloc[0], 1)} to {number(x.iloc[-1], 1)}: "
        f"the proxy reward changed by {number(proxy.iloc[-1])} of its units; "
        f"the gold reward by {gain(gold.iloc[-1])}, and by {gain(gold.max())} at its best."
    )
    return plot_of("proxy-gold", figure, alt, "Both start at zero: the untuned writer. The gold is never trained on.")


@styled
def pareto_plot(points: Sequence[Mapping[str, Any]]) -> Plot:
    """Gold reward over Vendi score, a mark a writer; those that no other beats in both are filled."""
    figure, axes = new_axes(3.6)
    styles = {"untuned": ("grey", "D"), "tuned": ("blue", "o"), "interpolated": ("purple", "s")}
    for writer, (colour, mark) in styles.items():
        own = [point for point in points if point["writer"] == writer]
        axes.plot([p["vendi"] for p in own], [p["reward"] for p in own], ":", color=LIGHT[colour], linewidth=1)
        for i, point in enumerate(own):
            face = LIGHT[colour] if point["front"] else LIGHT["paper"]
            style = {"color": LIGHT[colour], "markerfacecolor": face, "label": writer if i == 0 else None}
            axes.plot(point["vendi"], point["reward"], mark, markersize=7, **style)
    axes.set_xlabel("Vendi score (effective number of texts)")
    axes.set_ylabel("gold reward\nan impression")
    axes.legend(loc="best")
    told = "; ".join(f"{p['writer']} {number(p['reward'], 4)} at Vendi {number(p['vendi'], 1)}" for p in points)
    return plot_of("pareto", figure, f"Gold reward and diversity: {told}.", "Filled: no other is better in both.")


def _curves(metrics: pd.DataFrame, lines: Mapping[str, tuple[str, str, str]], axes: Axes, step: str) -> list[str]:
    """Draws columns of `metrics` (faint) and their running means; tells where each began and ended."""
    window = max(1, len(metrics) // 10)
    told = []
    for column, (label, colour, style) in lines.items():
        if column not in metrics:
            continue
        values = metrics[column].dropna()
        mean = smooth(values, window)
        if window > 1:
            axes.plot(values.index, values, color=LIGHT[colour], linewidth=1, alpha=0.3)
        marker = "o" if len(values) < 3 else ""
        axes.plot(mean.index, mean, color=LIGHT[colour], linestyle=style, marker=marker, markersize=5, label=label)
        told.append(f"{label} from {number(values.iloc[0])} to {number(mean.iloc[-1])}")
    axes.set_xlabel(step)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return told


def _running(metrics: pd.DataFrame) -> str:
    window = max(1, len(metrics) // 10)
    return f"Lines: mean of {window} updates; faint: each update." if window > 1 else "Each update."


@styled
def reward_plot(metrics: pd.DataFrame, step: str) -> Plot:
    """The weighted terms of the training reward; `metrics` has steps as index, `step` is what they are called."""
    lines = {
        "reward": ("total", "ink", "-"),
        "weighted/ctr": ("CTR", "blue", "--"),
        "weighted/cvr": ("CVR", "green", "-."),
        "weighted/diversity": ("diversity", "purple", ":"),
        "weighted/penalty": ("failed checks", "red", (0, (1, 1))),
        "weighted/refused": ("refused", "gold", (0, (3, 1, 1, 1))),
    }
    figure, axes = new_axes(3.5)
    told = _curves(metrics, lines, axes, step)  # pyright: ignore[reportArgumentType]
    axes.axhline(0, color=LIGHT["grey"], linewidth=1.2)
    axes.set_ylabel("weighted reward term")
    legend_above(axes, 3)
    alt = f"Weighted terms of the training reward by {step}: {'; '.join(told)}."
    return plot_of("reward", figure, alt, f"What the writer was given (proxy). {_running(metrics)}")


@styled
def kl_plot(metrics: pd.DataFrame, step: str, target: float | None) -> Plot:
    """KL from the untuned writer by update, and the target of its controller, if it has one."""
    figure, axes = new_axes(3.5)
    told = _curves(metrics, {"kl": ("KL", "blue", "-")}, axes, step)
    if target is not None:
        axes.axhline(target, color=LIGHT["red"], linestyle=(0, (3, 2)), linewidth=1.6, label="target")
        legend_above(axes, 2)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_ylabel("nats a text")
    aim = "" if target is None else f" The controller steers towards {number(target, 1)}."
    alt = f"KL divergence from the untuned writer by {step}: {'; '.join(told)} nats a text.{aim}"
    below = " Estimated from each update's own texts: below zero, it is within its error of zero."
    noise = below if (metrics["kl"] < 0).any() else ""
    return plot_of("kl", figure, alt, f"How far the writer has moved. {_running(metrics)}{noise}")


@styled
def placement_plot(placement: pd.DataFrame) -> Plot:
    """Learning curves of the placement runs: writer, placement, impressions, reward."""
    told = []
    figure, axes = new_axes(3.7)
    for (writer, how), run in placement.groupby(["writer", "placement"], sort=False):
        window = eighth(run)
        mean = smooth(run["reward"], window)
        full = mean.index[window - 1 :]
        style = "--" if how == "uniform" else "-"
        colour = WRITER_COLOUR.get(str(writer), LIGHT["green"])
        axes.plot(run.loc[full, "impressions"], mean[full], style, color=colour, label=f"{writer}, {how}")
        told.append(f"{writer} writer, {how} from {number(mean[full].iloc[0], 4)} to {number(mean.iloc[-1], 4)}")
    axes.set_xlabel("impressions so far")
    axes.set_ylabel("gold reward an impression")
    in_thousands(axes.xaxis)
    legend_above(axes, 2)
    alt = f"Gold reward an impression along the placement runs, running means: {'; '.join(told)}."
    return plot_of("placement", figure, alt, "Running means over an eighth of the run; all four met the same visitors.")


@styled
def rounds_plot(found: Sequence[Mapping[str, Any]]) -> Plot:
    """Gold reward of both lines by round, with intervals."""
    figure, axes = new_axes(3.4)
    told = []
    looks = zip(found[0]["lines"], ((LIGHT["blue"], "o"), (LIGHT["grey"], "s")), (-0.06, 0.06), strict=True)
    for name, (colour, mark), aside in looks:
        x = [row["round"] + aside for row in found]
        rewards = [row["lines"][name]["reward"] for row in found]
        axes.plot(x, [reward["mean"] for reward in rewards], f"{mark}-", color=colour, label=name)
        axes.vlines(x, [r["low"] for r in rewards], [r["high"] for r in rewards], color=colour, linewidth=2)
        told.append(f"{name} " + ", ".join(number(reward["mean"], 4) for reward in rewards))
    axes.set_xticks([row["round"] for row in found])
    axes.set_xlabel("round")
    axes.set_ylabel("gold reward an impression")
    legend_above(axes, 2)
    caption = "The same visitors come to both lines; bars are 95% intervals over users."
    return plot_of("rounds", figure, f"Gold reward by round: {'; '.join(told)}.", caption)


DEEPEST = 0.6
"""Opacity of the largest share: letters stay legible on it."""


@styled
def placed_plot(shares: pd.DataFrame, how: str) -> Plot:
    """Shares of categories by channel and slot.

    Args:
        shares: index (channel, slot), a column a category; rows sum to 1.
        how: the placement that is shown.
    """
    figure, axes = new_axes(1.3 + 0.34 * len(shares))
    deepest = DEEPEST / max(float(shares.to_numpy().max()), 1e-9)
    for row, values in enumerate(shares.to_numpy()):
        for column, share in enumerate(values):
            corner = (column - 0.5, row - 0.5)
            paint = Rectangle(corner, 1, 1, facecolor=LIGHT["blue"], alpha=share * deepest, linewidth=0)
            axes.add_patch(paint)
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=9)
    label_rows(axes, [f"{channel} {slot}" for channel, slot in shares.index])
    axes.set_xlim(-0.5, shares.shape[1] - 0.5)
    axes.set_xticks(range(shares.shape[1]), [str(name) for name in shares.columns], rotation=40, ha="left")
    axes.tick_params(axis="x", length=0, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    told = "; ".join(
        f"{channel} slot {slot} mostly {row.idxmax()} ({percent(row.max(), 0)})"
        for (channel, slot), row in shares.iterrows()  # pyright: ignore[reportGeneralTypeIssues]
    )
    caption = f"Percent of showings by channel and slot (rows), {how} placement, learning included."
    return plot_of(
        f"placed-{how}", figure, f"Share of categories by channel and slot, {how} placement: {told}.", caption
    )
