"""Differences between agents that met the same visitors: paired by seed, corrected for their number."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from .bootstrap import Array, Interval


def t_interval(values: Array) -> Interval:
    """Mean of n independent values with Student's 95% interval.

    The bootstrap is no good for the five values that five seeds give: its percentile intervals are too short by
    sqrt((n-1)/n) and by the normal's tails. One value says nothing of others: its interval is not known.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean=mean, low=math.nan, high=math.nan)
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return Interval(mean=mean, low=mean - half, high=mean + half)


def holm(p: Array) -> Array:
    """Adjusted p-values of m tests, whatever their dependence.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979: the
    i-th smallest is multiplied by m - i + 1, and none may fall below a smaller one's.
    """
    order = np.argsort(p)
    factors = np.arange(len(p), 0, -1)
    adjusted = np.maximum.accumulate(np.asarray(p)[order] * factors).clip(max=1.0)
    out = np.empty(len(p))
    out[order] = adjusted
    return out


def paired_differences(values: Array, names: Sequence[str]) -> pd.DataFrame:
    """All pairs of agents, tested by the paired t-test; Holm's correction over all pairs.

    Args:
        values: [agents, seeds] figures; column s of every agent met the same visitors.
        names: of the agents.

    Returns:
        Columns better, worse, difference (mean over seeds, at least 0), low, high (95%, of this pair alone), p, p_holm;
        best agents first.
    """
    best_first = np.argsort(-values.mean(1), kind="stable")
    rows = []
    for i, better in enumerate(best_first):
        for worse in best_first[i + 1 :]:
            found = t_interval(values[better] - values[worse])
            p = _paired_p(values[better] - values[worse])
            rows.append((names[better], names[worse], found["mean"], found["low"], found["high"], p))
    frame = pd.DataFrame(rows, columns=["better", "worse", "difference", "low", "high", "p"])
    return frame.assign(p_holm=holm(frame["p"].to_numpy()))


def _paired_p(difference: Array) -> float:
    if len(difference) < 2 or np.ptp(difference) == 0:
        return float(len(difference) < 2 or difference[0] == 0)
    return float(stats.ttest_1samp(difference, 0.0).pvalue)


def chance_of_best(values: Array, rng: np.random.Generator, draws: int = 10_000) -> Array:
    """How likely each agent has the highest mean, given what its seeds showed.

    Means are drawn from a multivariate t around those observed, with the covariance between agents over seeds and n - 1
    degrees of freedom: for any two agents this is the paired t-test read as a posterior under the reference prior
    (Gelman et al., "Bayesian Data Analysis", 3rd ed., section 3.2). Ties share.

    Args:
        values: [agents, seeds].
        rng: draws the means.
        draws: how many.

    Returns:
        [agents] probabilities.
    """
    n = values.shape[1]
    mean = values.mean(1)
    spread = (values - mean[:, None]) / np.sqrt(n * (n - 1))
    heavy = np.sqrt((n - 1) / rng.chisquare(n - 1, draws))[:, None]
    means = mean + heavy * (rng.standard_normal((draws, n)) @ spread.T)
    best = np.isclose(means, means.max(1, keepdims=True), rtol=0, atol=1e-15)
    return (best / best.sum(1, keepdims=True)).mean(0)
