"""The report's plots of placement agents: regret along a comparison, cost against size."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .formats import number
from .plots import LIGHT, Plot, _axes, _legend, _plot, _styled

COLOURS = ("blue", "gold", "green", "purple", "red", "grey")


def growth_exponent(x: np.ndarray, y: np.ndarray) -> float:
    """The slope of log y on log x by least squares: y grows as x to this power."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def regret_exponents(regret: pd.DataFrame) -> dict[str, float]:
    """Growth of cumulative regret with impressions by agent, over the later seven eighths; below 1 is sublinear.

    Args:
        regret: columns agent, seed, impressions, regret (cumulative).
    """
    found = {}
    for name, part in regret.groupby("agent", sort=False):
        mean = part.groupby("impressions")["regret"].mean()
        mean = mean[mean.index >= mean.index.max() / 8]
        found[str(name)] = growth_exponent(mean.index.to_numpy(float), mean.clip(lower=1e-9).to_numpy())
    return found


@_styled
def regret_plot(regret: pd.DataFrame) -> Plot:
    """Cumulative regret by agent, mean over seeds."""
    figure, axes = _axes(4.6)
    told, exponents = [], regret_exponents(regret)
    for i, (name, part) in enumerate(regret.groupby("agent", sort=False)):
        mean = part.groupby("impressions")["regret"].mean()
        style = ("-", "--", ":")[i // len(COLOURS) % 3]
        axes.plot(mean.index, mean, style, color=LIGHT[COLOURS[i % len(COLOURS)]], label=str(name))
        told.append(f"{name} {number(mean.iloc[-1], 0)} (grows as impressions to the {exponents[str(name)]:.2f})")
    axes.set_xlabel("impressions so far")
    axes.set_ylabel("regret, clicks' worth")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}k" if value else "0"))
    axes.legend(loc="upper left", ncols=2, fontsize=8)
    caption = "What the best slates at the same moments would have earned more, summed; means over seeds."
    return _plot("regret", figure, f"Cumulative regret: {'; '.join(told)}.", caption)


@_styled
def cost_plot(cost: Mapping[str, Mapping[str, Any]]) -> Plot:
    """Seconds a call against each size, both axes logarithmic.

    Args:
        cost: by size: `values`, `seconds`, `bytes`, `exponent_time`, `exponent_memory`.
    """
    figure, axes = _axes(4.0)
    told = []
    for i, (size, row) in enumerate(cost.items()):
        label = f"{size}, power {row['exponent_time']:.2f}"
        axes.loglog(row["values"], row["seconds"], "o-", color=LIGHT[COLOURS[i]], label=label)
        told.append(f"{size}: time to the {row['exponent_time']:.2f}, memory to the {row['exponent_memory']:.2f}")
    axes.set_xlabel("size")
    axes.set_ylabel("seconds to decide and learn")
    _legend(axes, 2)
    return _plot("cost", figure, f"Cost grows with size as a power: {'; '.join(told)}.", "One size grows at a time.")
