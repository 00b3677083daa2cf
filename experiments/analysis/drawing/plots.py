"""The report's plots: one style, legible on a phone, in light and in dark, each told in words beside it."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..statistics.bootstrap import Interval
from .formats import MINUS, gain, gain_range, number, number_range, seconds

# Okabe and Ito's hues, darkened or lightened to contrast at least 3:1 with the paper they are drawn on.
LIGHT = {
    "paper": "#ffffff",
    "ink": "#3a4149",
    "faint": "#dfe3e8",
    "grey": "#6f7782",
    "blue": "#0067a8",
    "gold": "#b06f00",
    "green": "#00835f",
    "purple": "#a8438a",
    "red": "#c14a00",
}
DARK = {
    "paper": "#171b20",
    "ink": "#ccd3da",
    "faint": "#323941",
    "grey": "#98a2ad",
    "blue": "#5cb8f0",
    "gold": "#f0b040",
    "green": "#2fc79a",
    "purple": "#e797cc",
    "red": "#ff8f4f",
}
WRITER_COLOUR = {"untuned": LIGHT["grey"], "tuned": LIGHT["blue"]}
_styled = matplotlib.rc_context(  # a decorator: drawing and saving both read the style
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "copybandit",
        "font.family": ["DejaVu Sans"],
        "font.size": 10,
        "figure.facecolor": LIGHT["paper"],
        "figure.constrained_layout.use": True,
        "axes.facecolor": LIGHT["paper"],
        "axes.edgecolor": LIGHT["faint"],
        "axes.labelcolor": LIGHT["ink"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "grid.color": LIGHT["faint"],
        "grid.linewidth": 0.8,
        "xtick.color": LIGHT["faint"],
        "ytick.color": LIGHT["faint"],
        "xtick.labelcolor": LIGHT["ink"],
        "ytick.labelcolor": LIGHT["ink"],
        "text.color": LIGHT["ink"],
        "legend.frameon": False,
        "legend.fontsize": 9.5,
        "lines.linewidth": 2,
    }
)
WIDTH = 4.4
"""Inches; narrow, so that letters stay legible when a phone shrinks the plot."""


@dataclass(frozen=True)
class Plot:
    """A plot as SVG, on light and on dark paper."""

    name: str
    light: str
    dark: str
    alt: str
    """What the plot shows, with its numbers."""
    caption: str
    width: int
    height: int


def _plot(name: str, figure: Figure, alt: str, caption: str) -> Plot:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    # Letters stay text, set in the reader's own font.
    light = file.getvalue().replace("'DejaVu Sans'", "system-ui")
    dark = light
    for key, colour in LIGHT.items():
        dark = dark.replace(colour, DARK[key])
    width, height = figure.get_size_inches() * 96
    return Plot(name, light, dark, alt, caption, round(width), round(height))


def _axes(height: float, rows: int = 1) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.subplots(rows, 1, sharex=True)


def _percent_axis(axis: Any) -> None:
    axis.set_major_formatter(FuncFormatter(lambda share, _: percent_tick(share)))


def percent_tick(share: float) -> str:
    """As many digits as the tick needs: 0.025 -> '+2.5%', 0.1 -> '+10%'."""
    value = round(100 * share, 6)
    return f"{value:+g}%".replace("-", MINUS) if value else "0%"


def _legend(axes: Axes, columns: int) -> None:
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, borderaxespad=0.2, columnspacing=1.4, handlelength=1.6
    )


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def eighth(run: pd.DataFrame) -> int:
    """Rows that make an eighth of a placement run, at least one."""
    return max(1, len(run) // 8)


def smooth(values: pd.Series, window: int) -> pd.Series:
    """Mean of the last `window` values, of fewer at the beginning."""
    return values.rolling(window, min_periods=1).mean()


@_styled
def lift_plot(lift: Mapping[str, Interval], targets: Mapping[str, float], over: str = "users") -> Plot:
    """Lifts with their intervals, the zero line and the targets."""
    figure, axes = _axes(0.9 + 0.55 * len(lift))
    for row, (name, value) in enumerate(lift.items()):
        axes.plot([value["low"], value["high"]], [row, row], color=LIGHT["blue"], linewidth=3, solid_capstyle="round")
        axes.plot(value["mean"], row, "o", color=LIGHT["blue"], markersize=8)
        if name in targets:
            axes.plot(
                [targets[name]] * 2, [row - 0.3, row + 0.3], color=LIGHT["red"], linestyle=(0, (3, 2)), linewidth=2
            )
    axes.axvline(0, color=LIGHT["grey"], linewidth=1.2)
    _rows(axes, [name if name == "reward" else name.upper() for name in lift])
    _percent_axis(axes.xaxis)
    axes.set_xlabel("gold lift, tuned over untuned writer")
    told = "; ".join(f"{name} {gain(v['mean'])}, {gain_range(v)}" for name, v in lift.items())
    aims = ", ".join(f"{name} {gain(target)}" for name, target in targets.items() if name in lift)
    alt = f"Lift of the tuned over the untuned writer with 95% intervals: {told}. Targets: {aims or 'none'}."
    caption = f"Dot and bar: estimate and 95% interval over {over}." + (" Dashed: target." if aims else "")
    return _plot("lift", figure, alt, caption)


@_styled
def grid_plot(grid: Mapping[str, Mapping[str, Interval]]) -> Plot:
    """Gold reward an impression of every writer and placement, with intervals."""
    cells = [(writer, placement, value) for writer, row in grid.items() for placement, value in row.items()]
    figure, axes = _axes(0.9 + 0.5 * len(cells))
    for row, (writer, placement, value) in enumerate(cells):
        colour = WRITER_COLOUR.get(writer, LIGHT["green"])
        inside = LIGHT["paper"] if placement == "uniform" else colour
        axes.plot([value["low"], value["high"]], [row, row], color=colour, linewidth=3, solid_capstyle="round")
        axes.plot(value["mean"], row, "o", color=colour, markerfacecolor=inside, markersize=9, markeredgewidth=2)
    _rows(axes, [f"{writer}, {placement}" for writer, placement, _ in cells])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("gold reward an impression")
    told = "; ".join(f"{w} writer, {p} {number(v['mean'], 4)}, {number_range(v)}" for w, p, v in cells)
    alt = f"Gold reward an impression by writer and placement, with 95% intervals: {told}."
    return _plot("grid", figure, alt, "Hollow: uniform placement; filled: bandit. Bars: 95% intervals over users.")


@_styled
def proxy_gold_plot(curve: Sequence[Mapping[str, float]]) -> Plot:
    """Change since the start of what is trained on (proxy) and of what is judged by (gold), over sqrt(KL)."""
    points = pd.DataFrame(list(curve))
    x = points["sqrt_kl"]
    proxy = points["proxy"] - points["proxy"].iloc[0]
    figure, (top, bottom) = _axes(4.6, rows=2)
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
    _percent_axis(bottom.yaxis)
    for axes in (top, bottom):
        axes.axhline(0, color=LIGHT["grey"], linewidth=1.2)
    gold = points["gold"] / points["gold"].iloc[0] - 1
    alt = (
        f"Over the square root of the KL divergence, from {number(x.iloc[0], 1)} to {number(x.iloc[-1], 1)}: "
        f"the proxy reward changed by {number(proxy.iloc[-1])} of its units; "
        f"the gold reward by {gain(gold.iloc[-1])}, and by {gain(gold.max())} at its best."
    )
    return _plot("proxy-gold", figure, alt, "Both start at zero: the untuned writer. The gold is never trained on.")


@_styled
def pareto_plot(points: Sequence[Mapping[str, Any]]) -> Plot:
    """Gold reward over Vendi score, a mark a writer; those that no other beats in both are filled."""
    figure, axes = _axes(3.6)
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
    return _plot("pareto", figure, f"Gold reward and diversity: {told}.", "Filled: no other is better in both.")


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


@_styled
def reward_plot(metrics: pd.DataFrame, step: str) -> Plot:
    """The weighted terms of the training reward; `metrics` has steps as index, `step` is what they are called."""
    lines = {
        "reward": ("total", "ink", "-"),
        "weighted/ctr": ("CTR", "blue", "--"),
        "weighted/cvr": ("CVR", "green", "-."),
        "weighted/diversity": ("diversity", "purple", ":"),
        "weighted/penalty": ("penalty", "red", (0, (1, 1))),
    }
    figure, axes = _axes(3.5)
    told = _curves(metrics, lines, axes, step)  # pyright: ignore[reportArgumentType]
    axes.axhline(0, color=LIGHT["grey"], linewidth=1.2)
    axes.set_ylabel("weighted reward term")
    _legend(axes, 3)
    alt = f"Weighted terms of the training reward by {step}: {'; '.join(told)}."
    return _plot("reward", figure, alt, f"What the writer was given (proxy). {_running(metrics)}")


@_styled
def kl_plot(metrics: pd.DataFrame, step: str, target: float | None) -> Plot:
    """KL from the untuned writer by update, and the target of its controller, if it has one."""
    figure, axes = _axes(3.5)
    told = _curves(metrics, {"kl": ("KL", "blue", "-")}, axes, step)
    if target is not None:
        axes.axhline(target, color=LIGHT["red"], linestyle=(0, (3, 2)), linewidth=1.6, label="target")
        _legend(axes, 2)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_ylabel("nats a text")
    aim = "" if target is None else f" The controller steers towards {number(target, 1)}."
    alt = f"KL divergence from the untuned writer by {step}: {'; '.join(told)} nats a text.{aim}"
    below = " Estimated from each update's own texts: below zero, it is within its error of zero."
    noise = below if (metrics["kl"] < 0).any() else ""
    return _plot("kl", figure, alt, f"How far the writer has moved. {_running(metrics)}{noise}")


@_styled
def placement_plot(placement: pd.DataFrame) -> Plot:
    """Learning curves of the placement runs: writer, placement, impressions, reward."""
    told = []
    figure, axes = _axes(3.7)
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
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}k" if value else "0"))
    _legend(axes, 2)
    alt = f"Gold reward an impression along the placement runs, running means: {'; '.join(told)}."
    return _plot("placement", figure, alt, "Running means over an eighth of the run; all four met the same visitors.")


@_styled
def wall_time_plot(stages: Mapping[str, float]) -> Plot:
    """Wall time by stage."""
    figure, axes = _axes(0.8 + 0.42 * len(stages))
    axes.barh(range(len(stages)), list(stages.values()), height=0.6, color=LIGHT["blue"])
    for row, value in enumerate(stages.values()):
        axes.annotate(seconds(value), (value, row), (4, 0), textcoords="offset points", va="center")
    _rows(axes, list(stages))
    axes.set_xlim(0, max(stages.values()) * 1.35 or 1)
    axes.set_xlabel("seconds")
    told = ", ".join(f"{name} {seconds(value)}" for name, value in stages.items())
    return _plot("wall-time", figure, f"Wall time by stage: {told}.", f"{seconds(sum(stages.values()))} in all.")
