"""Uncertainty: intervals by bootstrap over the units that were drawn independently (users, tests)."""

import math
from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

Array = NDArray[np.float64]
CLUSTERS = 2000
"""Clusters of users that a long log is kept by, at most: others are joined to them."""


class Interval(TypedDict):
    """A figure with its 95% interval, as `summary.json` holds it; `mean` is the estimate itself. NaN: not known."""

    mean: float
    low: float
    high: float


def bootstrap(
    clusters: Array, statistic: Callable[[Array], Array], rng: np.random.Generator, resamples: int = 2000
) -> Interval:
    """Percentile bootstrap over clusters (Efron, 1979; Field and Welsh, 2007, for clustered data).

    With few clusters percentiles are too near to each other, by sqrt((n - 1) / n) and by the normal's tails: they are
    taken further out (the expanded percentile interval of Hesterberg, "What teachers should know about the bootstrap",
    The American Statistician, 2015). One cluster says nothing of others: its interval is not known. For shares of what
    was counted see `intervals.proportion`, which is right where none or all were hits.

    Args:
        clusters: [U, k] sums of each cluster (a user's clicks and impressions, say).
        statistic: from [..., k] sums over clusters to [...] figures, such as a ratio of two columns.
        rng: draws the resamples.
        resamples: how many.
    """
    n = len(clusters)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = float(statistic(clusters.sum(0))) if n else math.nan
    if n < 2:
        return Interval(mean=estimate, low=math.nan, high=math.nan)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = statistic(counts @ clusters)
    tail = _tail(n)
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(mean=estimate, low=float(low), high=float(high))


def crossed_bootstrap(
    cells: Array, statistic: Callable[[Array], Array], rng: np.random.Generator, resamples: int = 2000
) -> Interval:
    """Percentile bootstrap over two kinds of clusters that cross, such as users and products, each drawn by itself.

    The pigeonhole bootstrap of Owen (The Annals of Applied Statistics, 2007): rather too wide than too narrow.
    Percentiles are taken further out as in `bootstrap`, for the fewer clusters. One cluster of the second kind says
    nothing of others: the interval is over the first kind then.

    Args:
        cells: [U, P, k] sums of each pair of clusters.
        statistic: see `bootstrap`.
        rng: draws the resamples.
        resamples: how many.
    """
    users, products, columns = cells.shape
    if users < 2 or products < 2:
        return bootstrap(cells.sum(1), statistic, rng, resamples)
    counts = [rng.multinomial(n, np.full(n, 1 / n), size=resamples) for n in (users, products)]
    by_product = (counts[0] @ cells.reshape(users, -1)).reshape(resamples, products, columns)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = float(statistic(cells.sum((0, 1))))
        drawn = statistic(np.einsum("rp,rpk->rk", counts[1], by_product))
    tail = _tail(min(users, products))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(mean=estimate, low=float(low), high=float(high))


def _tail(clusters: int) -> float:
    """Share of the resamples that lies beyond a bound of a 95% interval."""
    return float(norm.cdf(-np.sqrt(clusters / (clusters - 1)) * student.ppf(0.975, clusters - 1)))


def ratio(sums: Array) -> Array:
    """First column over second: [..., 2] -> [...]."""
    return sums[..., 0] / sums[..., 1]


def lift_of_ratios(sums: Array) -> Array:
    """Relative gain of one ratio over another, (a / b) / (c / d) - 1: [..., 4] -> [...]."""
    return (sums[..., 0] / sums[..., 1]) / (sums[..., 2] / sums[..., 3]) - 1
