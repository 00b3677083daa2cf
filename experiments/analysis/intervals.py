"""95% intervals for a mean of independent values, such as those of `estimators`; skewed ones as rewards are rare."""

from collections.abc import Callable

import numpy as np
from scipy.stats import norm

from .statistics import Array, Interval

LEVEL = 0.05


def skew_corrected(values: Array, level: float = LEVEL) -> Interval:
    """Normal interval corrected for skewness (Hall, "On the removal of skewness by transformation", 1992).

    t = sqrt(n) (mean - mu) / s is pulled back by the inverse of g(t) = t + a t^2 / 3 + a^2 t^3 / 27 + a / 6, with
    a = skewness / sqrt(n): second-order correct, as the studentised bootstrap is, and nothing is drawn.

    Args:
        values: [n].
        level: one minus the coverage.
    """
    n, mean, deviation = len(values), float(values.mean()), float(values.std(ddof=1))
    if deviation == 0:
        return Interval(mean=mean, low=mean, high=mean)
    a = float(np.mean((values - mean) ** 3)) / deviation**3 / np.sqrt(n)
    z = norm.ppf([level / 2, 1 - level / 2])
    t = z if abs(a) < 1e-9 else 3 / a * (np.cbrt(1 + a * (z - a / 6)) - 1)
    low, high = mean - deviation / np.sqrt(n) * t[::-1]
    return Interval(mean=mean, low=float(low), high=float(high))


def bootstrap_t(values: Array, rng: np.random.Generator, level: float = LEVEL, resamples: int = 1000) -> Interval:
    """Studentised bootstrap (Efron, 1979; Hall, 1988) with Poisson weights, in batches of resamples.

    Args:
        values: [n].
        rng: draws the resamples.
        level: one minus the coverage.
        resamples: how many.
    """
    n, mean, deviation = len(values), float(values.mean()), float(values.std())
    if deviation == 0:
        return Interval(mean=mean, low=mean, high=mean)
    columns = np.stack([np.ones(n), values - mean, (values - mean) ** 2], axis=1)
    batch = max(1, min(resamples, 4_000_000 // n))
    sums = np.concatenate(
        [rng.poisson(1.0, (min(batch, resamples - done), n)) @ columns for done in range(0, resamples, batch)]
    )
    shift = sums[:, 1] / sums[:, 0]
    spread = np.sqrt(np.maximum(sums[:, 2] / sums[:, 0] - shift**2, 1e-300))
    low, high = np.quantile(shift / spread, [level / 2, 1 - level / 2])
    return Interval(mean=mean, low=mean - high * deviation, high=mean - low * deviation)


def empirical_bernstein(values: Array, bounds: tuple[float, float], level: float = LEVEL) -> Interval:
    """Valid at every n for independent values within `bounds` (Maurer and Pontil, COLT 2009, theorem 4, two-sided).

    |mean - mu| <= sqrt(2 s^2 log(4 / level) / n) + 7 range log(4 / level) / (3 (n - 1)). It is wide: it holds for any
    distribution, not only near the normal one.

    Args:
        values: [n].
        bounds: least and largest value that could have come.
        level: one minus the coverage.

    Raises:
        ValueError: a value is out of bounds.
    """
    n, (least, most) = len(values), bounds
    slack = 1e-9 * max(1.0, abs(least), abs(most))
    if values.min() < least - slack or values.max() > most + slack:
        raise ValueError(f"values from {values.min():g} to {values.max():g} are not within {least:g} to {most:g}")
    evidence = np.log(4 / level)
    half = np.sqrt(2 * values.var(ddof=1) * evidence / n) + 7 * (most - least) * evidence / (3 * (n - 1))
    mean = float(values.mean())
    return Interval(mean=mean, low=float(mean - half), high=float(mean + half))


Method = Callable[[Array], Interval]
