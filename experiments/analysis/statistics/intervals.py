"""95% intervals for means of independent values, such as those of `estimators`, and for rates.

Rewards are rare, so values are skewed; and where few or none came, their spread says nothing. The intervals of
`proportion`, `wilson` and `weighted_events` say what may be beyond what was seen.
"""

import math
from collections.abc import Iterable

import numpy as np
from scipy.stats import beta, gamma, norm, poisson
from scipy.stats import t as student

from .bootstrap import Array, Interval
from .moments import Moments

LEVEL = 0.05
_POISSON = poisson(1.0).ppf((np.arange(2**16) + 0.5) / 2**16).astype(np.float32)
"""Poisson counts by sixteen random bits: the bootstrap spends its time drawing them."""


def skew_corrected(moments: Moments, level: float = LEVEL) -> Array:
    """Student's intervals corrected for skewness (Hall, "On the removal of skewness by transformation", 1992).

    t = sqrt(n) (mean - mu) / s is pulled back by the inverse of g(t) = t + a t^2 / 3 + a^2 t^3 / 27 + a / 6, with
    a = skewness / sqrt(n): second-order correct, as the studentised bootstrap is, and nothing is drawn. Where tails are
    heavy, s is unsure however many values there are: `degrees_of_freedom` says by how much.

    Args:
        moments: of n values of E means at once.
        level: one minus the coverage.

    Returns:
        [E, 2].
    """
    n, mean, deviation = moments.n, moments.mean, moments.deviation(1)
    safe = np.where(deviation > 0, deviation, 1.0)
    a = (moments.cube / n / safe**3)[:, None] / np.sqrt(n)
    z = student.ppf([level / 2, 1 - level / 2], degrees_of_freedom(moments)[:, None])
    # Near zero the formula is a difference of nearly equal numbers; its limit is z.
    a = np.where(np.abs(a) < 1e-9, 1e-9, a)
    t = 3 / a * (np.cbrt(1 + a * (z - a / 6)) - 1)
    return mean[:, None] - deviation[:, None] / np.sqrt(n) * t[:, ::-1]


def degrees_of_freedom(moments: Moments) -> Array:
    """Of the variance of n values: 2 s^4 / Var(s^2), about 2 n / (kurtosis - 1) (Satterthwaite, Biometrics 1946).

    Returns:
        [E], at least 1; n - 1 for normal values, and fewer where tails are heavy.
    """
    n, deviation = moments.n, moments.deviation(1)
    safe = np.where(deviation > 0, deviation, 1.0)
    return np.maximum(2 * n / np.maximum(moments.fourth / n / safe**4 - 1, 1e-9), 1.0)


def bootstrap_t(
    blocks: Iterable[Array], moments: Moments, rng: np.random.Generator, level: float = LEVEL, resamples: int = 1000
) -> Array:
    """Studentised bootstrap (Efron, 1979; Hall, 1988) with Poisson weights, in batches of resamples.

    Args:
        blocks: n values in all of E means at once, [m, E] at a time.
        moments: of all of them.
        rng: draws the resamples.
        level: one minus the coverage.
        resamples: how many.

    Returns:
        [E, 2].
    """
    mean, deviation = moments.mean, moments.deviation()
    sums = np.zeros((resamples, 1 + 2 * len(mean)))
    for values in blocks:
        n, scaled = len(values), (values - mean) / np.where(deviation > 0, deviation, 1.0)
        columns = np.concatenate([np.ones((n, 1)), scaled, scaled**2], axis=1).astype(np.float32)
        size = max(1, 4_000_000 // max(n, 1))
        for done in range(0, resamples, size):
            few = min(size, resamples - done)
            sums[done : done + few] += _POISSON[rng.integers(0, 2**16, (few, n), dtype=np.uint16)] @ columns
    total, shift, square = np.split(sums, [1, 1 + len(mean)], axis=1)
    total = np.maximum(total, 1)
    shift = shift / total
    spread = np.sqrt(np.maximum(square / total - shift**2, 1e-12))
    low, high = np.quantile(shift / spread, [level / 2, 1 - level / 2], axis=0)
    return np.stack([mean - high * deviation, mean - low * deviation], axis=1)


def empirical_bernstein(moments: Moments, bounds: tuple[Array, Array], level: float = LEVEL) -> Array:
    """Valid at every n for independent values within `bounds` (Maurer and Pontil, COLT 2009, theorem 4, two-sided).

    |mean - mu| <= sqrt(2 s^2 log(4 / level) / n) + 7 range log(4 / level) / (3 (n - 1)). It is wide: it holds for any
    distribution, not only near the normal one.

    Args:
        moments: of n values of E means at once.
        bounds: [E] least and [E] largest values that could have come.
        level: one minus the coverage.

    Returns:
        [E, 2].

    Raises:
        ValueError: a value is out of bounds.
    """
    n, mean, (least, most) = moments.n, moments.mean, bounds
    slack = 1e-9 * np.maximum(1.0, np.maximum(np.abs(least), np.abs(most)))
    if (moments.least < least - slack).any() or (moments.most > most + slack).any():
        raise ValueError("values are out of bounds; give the least and the largest that could have come")
    evidence = np.log(4 / level)
    variance = moments.square / (n - 1)
    half = np.sqrt(2 * variance * evidence / n) + 7 * (most - least) * evidence / (3 * (n - 1))
    return np.stack([mean - half, mean + half], axis=1)


def wilson(successes: Array, trials: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """Intervals of proportions of independent trials (Wilson, "Probable inference", JASA 1927), elementwise.

    Args:
        successes: [...].
        trials: [...], above 0.
        level: one minus the coverage.
    """
    z = float(norm.ppf(1 - level / 2))
    centre = (successes + z**2 / 2) / (trials + z**2)
    half = z / (trials + z**2) * np.sqrt(successes * (trials - successes) / trials + z**2 / 4)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def proportion(clusters: Array, level: float = LEVEL) -> Interval:
    """A share of what was counted in clusters, such as pairs of texts by test: hits over trials, in [0, 1].

    The exact interval of Clopper and Pearson (Biometrika, 1934) at an effective number of trials (Korn and Graubard,
    "Confidence intervals for proportions with small expected number of positive counts estimated from survey data",
    Survey Methodology, 1998). Where hits do not vary between clusters, as where there are none, clusters are trials.

    Args:
        clusters: [n, 2] hits and trials of each.
        level: one minus the coverage.

    Returns:
        NaN where there are no trials.
    """
    hits, trials = clusters[clusters[:, 1] > 0].T
    n, total = len(trials), trials.sum()
    if not total:
        return Interval(mean=math.nan, low=math.nan, high=math.nan)
    share = float(hits.sum() / total)
    size = float(total**2 / (trials**2).sum())
    spread = ((hits - share * trials) ** 2).sum() * n / max(n - 1, 1) / total**2
    if spread > 1e-12:
        # Few clusters leave the spread itself unsure.
        unsure = (student.ppf(level / 2, max(total - 1, 1)) / student.ppf(level / 2, max(n - 1, 1))) ** 2
        size = min(share * (1 - share) / spread * unsure, total)
    low, high = clopper_pearson(share * size, size, level)
    return Interval(mean=share, low=low, high=high)


def clopper_pearson(hits: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """The exact interval of a proportion (Clopper and Pearson, Biometrika, 1934); numbers need not be whole."""
    low = beta.ppf(level / 2, hits, trials - hits + 1) if hits > 0 else 0.0
    high = beta.ppf(1 - level / 2, hits + 1, trials - hits) if hits < trials else 1.0
    return float(low), float(high)


def weighted_events(
    total: float, square: float, another: float, trials: int, level: float = LEVEL
) -> tuple[float, float]:
    """A mean over trials of few events that weigh differently: sum of weights over trials, from zero upwards.

    Events are rare, hence Poisson; a weighted sum of them is nearly a gamma variable (Fay and Feuer, "Confidence
    intervals for directly standardized rates", Statistics in Medicine, 1997). The upper end is that of the sum with one
    event more; with none at all it is the rule of three (Hanley and Lippman-Hand, JAMA 1983), two-sided: 3.7 times the
    weight of that event over trials. With weights of one it is the exact interval of a Poisson rate (Garwood, 1936).

    Args:
        total: sum of the weights of what came, none below zero.
        square: sum of their squares.
        another: weight that one more event may have.
        trials: in which they came.
        level: one minus the coverage.
    """
    low = gamma.ppf(level / 2, total**2 / square, scale=square / total) if total else 0.0
    more, square = total + another, square + another**2
    return float(low) / trials, float(gamma.ppf(1 - level / 2, more**2 / square, scale=square / more)) / trials


def worth_of_events(total: float, square: float, another: float) -> float:
    """How many equal events tell as much as these and one more: (sum)^2 / sum of squares, after Kish (1965)."""
    return float(total**2 / (square + another**2))
