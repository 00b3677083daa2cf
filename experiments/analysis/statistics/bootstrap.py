"""Uncertainty: intervals by bootstrap over the units that were drawn independently (users, tests)."""

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Interval(TypedDict):
    """A figure with its 95% interval, as `summary.json` holds it; `mean` is the estimate itself."""

    mean: float
    low: float
    high: float


def bootstrap(
    clusters: Array, statistic: Callable[[Array], Array], rng: np.random.Generator, resamples: int = 2000
) -> Interval:
    """Percentile bootstrap over clusters (Efron, 1979; Field and Welsh, 2007, for clustered data).

    Args:
        clusters: [U, k] sums of each cluster (a user's clicks and impressions, say).
        statistic: from [..., k] sums over clusters to [...] figures, such as a ratio of two columns.
        rng: draws the resamples.
        resamples: how many.
    """
    n = len(clusters)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    drawn = statistic(counts @ clusters)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(mean=float(statistic(clusters.sum(0))), low=float(low), high=float(high))


def ratio(sums: Array) -> Array:
    """First column over second: [..., 2] -> [...]."""
    return sums[..., 0] / sums[..., 1]


def lift_of_ratios(sums: Array) -> Array:
    """Relative gain of one ratio over another, (a / b) / (c / d) - 1: [..., 4] -> [...]."""
    return (sums[..., 0] / sums[..., 1]) / (sums[..., 2] / sums[..., 3]) - 1
