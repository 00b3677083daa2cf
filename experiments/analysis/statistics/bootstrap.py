"""Uncertainty: intervals by bootstrap over the units that were drawn independently (users, tests)."""

import math
from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

Array = NDArray[np.float64]


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
    tail = norm.cdf(-np.sqrt(n / (n - 1)) * student.ppf(0.975, n - 1))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(mean=estimate, low=float(low), high=float(high))


def ratio(sums: Array) -> Array:
    """First column over second: [..., 2] -> [...]."""
    return sums[..., 0] / sums[..., 1]


def lift_of_ratios(sums: Array) -> Array:
    """Relative gain of one ratio over another, (a / b) / (c / d) - 1: [..., 4] -> [...]."""
    return (sums[..., 0] / sums[..., 1]) / (sums[..., 2] / sums[..., 3]) - 1
