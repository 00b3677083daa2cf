"""The report's plots: one style, legible on a phone, in light and in dark, each told in words beside it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..statistics.bootstrap import Interval
from .formats import MINUS

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
COLOURS = ("blue", "gold", "green", "purple", "red", "grey")
"""Of lines that stand beside each other, in this order."""
WRITER_COLOUR = {"untuned": LIGHT["grey"], "tuned": LIGHT["blue"]}
styled = matplotlib.rc_context(  # a decorator: drawing and saving both read the style
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
        "text.parse_math": False,  # a name with dollar signs is a name
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


def plot_of(name: str, figure: Figure, alt: str, caption: str) -> Plot:
    """A drawn figure as SVG, for light and for dark paper."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    # Letters stay text, set in the reader's own font.
    light = file.getvalue().replace("'DejaVu Sans'", "system-ui")
    dark = light
    for key, colour in LIGHT.items():
        dark = dark.replace(colour, DARK[key])
    width, height = figure.get_size_inches() * 96
    return Plot(name, light, dark, alt, caption, round(width), round(height))


def new_axes(height: float, rows: int = 1) -> tuple[Figure, Any]:
    """A figure of so many inches, and its axes; several where there are several rows."""
    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.subplots(rows, 1, sharex=True)


def percent_axis(axis: Any) -> None:
    """Shares along an axis, as gains in percent."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: percent_tick(share)))


def percent_tick(share: float) -> str:
    """As many digits as the tick needs: 0.025 -> '+2.5%', 0.1 -> '+10%'."""
    value = round(100 * share, 6)
    return f"{value:+g}%".replace("-", MINUS) if value else "0%"


def legend_above(axes: Axes, columns: int, **style: Any) -> None:
    """A legend of so many columns over the plot."""
    where = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2}
    axes.legend(ncols=columns, columnspacing=1.4, handlelength=1.6, **where, **style)


def label_rows(axes: Axes, labels: Sequence[str]) -> None:
    """A label a row, the first on top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def mark_estimate(
    axes: Axes,
    at: float,
    interval: Interval,
    colour: str,
    mark: str = "o",
    size: float = 7,
    width: float = 2.5,
    **mark_style: Any,
) -> None:
    """An estimate as a mark, its interval as a bar through it."""
    axes.plot([interval["low"], interval["high"]], [at, at], color=colour, linewidth=width, solid_capstyle="round")
    axes.plot(interval["mean"], at, mark, color=colour, markersize=size, **mark_style)


def in_thousands(axis: Any) -> None:
    """Impressions along an axis: 40k."""
    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}k" if value else "0"))


def eighth(run: pd.DataFrame) -> int:
    """Rows that make an eighth of a placement run, at least one."""
    return max(1, len(run) // 8)


def smooth(values: pd.Series, window: int) -> pd.Series:
    """Mean of the last `window` values, of fewer at the beginning."""
    return values.rolling(window, min_periods=1).mean()
