"""The report's plots of placement agents: regret and reward along a comparison, cost against size."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from ..drawing.formats import number
from ..drawing.plots import COLOURS, LIGHT, Plot, eighth, in_thousands, legend_above, new_axes, plot_of, styled


def growth_exponent(x: np.ndarray, y: np.ndarray) -> float:
    """The slope of log y on log x by least squares: y grows as x to this power."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def regret_exponents(regret: pd.DataFrame) -> dict[str, float]:
    """Growth of cumulative regret with impressions by agent, over the later seven eighths; below 1 is sublinear.

    Agents with a single point there are left out.

    Args:
        regret: columns agent, seed, impressions, regret (cumulative).
    """
    found = {}
    for name, part in regret.groupby("agent", sort=False):
        mean = part.groupby("impressions")["regret"].mean()
        mean = mean[mean.index >= mean.index.max() / 8]
        if len(mean) > 1:
            found[str(name)] = growth_exponent(mean.index.to_numpy(float), mean.clip(lower=1e-9).to_numpy())
    return found


@styled
def regret_plot(curves: pd.DataFrame, suffix: str = "", title: str = "") -> Plot:
    """Cumulative regret by agent: mean over seeds with its 95% interval.

    Args:
        curves: of one world: columns agent, seed, impressions, regret.
        suffix: of the plot's name.
        title: before what is said in words.
    """
    figure, axes = new_axes(4.6)
    exponents = regret_exponents(curves)
    ends = _bands(axes, {name: part.set_index(["impressions", "seed"])["regret"] for name, part in _by_agent(curves)})
    told = [f"{name} {number(end, 0)}{_power(exponents, name)}" for name, end in ends.items()]
    axes.set_ylabel("regret, clicks' worth")
    axes.legend(loc="upper left", ncols=2, fontsize=8)
    caption = f"{title}what the best slates at the same moments would have earned more, summed. {BAND}"
    alt = f"{title}cumulative regret: {'; '.join(told)}."
    return plot_of(f"regret{suffix}", figure, _upper(alt), _upper(caption))


@styled
def learning_plot(curves: pd.DataFrame, suffix: str = "", title: str = "") -> Plot:
    """Reward an impression along the run by agent, running means over an eighth; arguments as `regret_plot`."""
    figure, axes = new_axes(4.6)
    smoothed = {}
    for name, part in _by_agent(curves):
        reward = part.pivot(index="impressions", columns="seed", values="reward")
        window = eighth(reward)
        smoothed[name] = reward.rolling(window, min_periods=window).mean().dropna().stack()
    ends = _bands(axes, smoothed)
    axes.set_ylabel("gold reward an impression")
    axes.legend(loc="best", ncols=2, fontsize=8)
    told = "; ".join(f"{name} ended at {number(end, 4)}" for name, end in ends.items())
    caption = f"{title}running means over an eighth of the run. {BAND}"
    return plot_of(f"learning{suffix}", figure, _upper(f"{title}reward an impression: {told}."), _upper(caption))


BAND = "Lines: means over seeds; bands: 95% intervals."


def _power(exponents: Mapping[str, float], name: str) -> str:
    return f", as impressions to the {exponents[name]:.2f}" if name in exponents else ""


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _by_agent(curves: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(name), part) for name, part in curves.groupby("agent", sort=False)]


def _bands(axes: Axes, lines: Mapping[str, pd.Series]) -> dict[str, float]:
    """Draws means over seeds with intervals, of series indexed by impressions and seed; hands back where they end."""
    ends = {}
    for i, (name, values) in enumerate(lines.items()):
        table = values.unstack().dropna(axis=1)
        mean, n = table.mean(axis=1), table.shape[1]
        colour, style = LIGHT[COLOURS[i % len(COLOURS)]], ("-", "--", ":")[i // len(COLOURS) % 3]
        axes.plot(mean.index, mean, style, color=colour, label=name)
        if n > 1:
            half = stats.t.ppf(0.975, n - 1) * table.std(axis=1) / np.sqrt(n)
            axes.fill_between(mean.index, mean - half, mean + half, color=colour, alpha=0.12, linewidth=0)
        ends[name] = float(mean.iloc[-1])
    axes.set_xlabel("impressions so far")
    in_thousands(axes.xaxis)
    return ends


@styled
def cost_plot(cost: Mapping[str, Mapping[str, Any]]) -> Plot:
    """Seconds a call against each size, both axes logarithmic.

    Args:
        cost: by size: `values`, `seconds`, `bytes`, `exponent_time`, `exponent_memory`.
    """
    figure, axes = new_axes(4.0)
    told = []
    for i, (size, row) in enumerate(cost.items()):
        label = f"{size}, power {row['exponent_time']:.2f}"
        axes.loglog(row["values"], row["seconds"], "o-", color=LIGHT[COLOURS[i]], label=label)
        told.append(f"{size}: time to the {row['exponent_time']:.2f}, memory to the {row['exponent_memory']:.2f}")
    axes.set_xlabel("size")
    axes.set_ylabel("seconds to decide and learn")
    legend_above(axes, 2)
    return plot_of("cost", figure, f"Cost grows with size as a power: {'; '.join(told)}.", "One size grows at a time.")
