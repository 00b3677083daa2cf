"""Measures of fairness: pure functions of sums. None says what is fair; each says how far apart groups are.

Exposure is attention: the position-weighted chance of being looked at, summed over slates (Singh and Joachims,
"Fairness of exposure in rankings", KDD 2018, arXiv 1802.07281; over a series of rankings: Biega, Gummadi and Weikum,
"Equity of attention", SIGIR 2018, arXiv 1805.01788).
"""

import numpy as np

from ..statistics.bootstrap import Array


def exposure(looks: Array) -> Array:
    """Share of the attention that each of K kinds or products had: [..., K] looks -> [..., K].

    Exposure(d) = sum over slates of P(looked at the slot of d), here divided by that of all (Singh and Joachims 2018,
    equation 2).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return looks / looks.sum(-1, keepdims=True)


def reach(shown: Array, visits: Array) -> Array:
    """Share of visits in whose slate there was one of each kind, at all: [..., K] visits with one, [...] visits.

    What a user has the opportunity of seeing; equal among groups, it is demographic parity for users (Dwork et al.,
    "Fairness through awareness", ITCS 2012, section 3).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return shown / visits[..., None]


def extremes(rates: Array) -> tuple[int, int]:
    """Which of [G] groups has the highest rate, and which the lowest; groups that were never seen (NaN) aside."""
    return int(np.nanargmax(rates)), int(np.nanargmin(rates))


def parity_gap(rates: Array) -> tuple[float, int, int, int]:
    """Demographic parity difference: the largest difference between two of G groups in the rate of one of K kinds.

    Args:
        rates: [G, K] exposure or reach; NaN where a group was never seen.

    Returns:
        The difference; the kind; the group of the higher rate; the group of the lower.
    """
    spread = np.nanmax(rates, axis=0) - np.nanmin(rates, axis=0)
    kind = int(np.nanargmax(spread))
    return float(spread[kind]), kind, *extremes(rates[:, kind])


def shortfall(shares: Array, minimum: float) -> Array:
    """Attention that would have to move for everybody to have a minimum: sum over K of max(0, minimum - share).

    Args:
        shares: [..., K].
        minimum: share.

    Returns:
        [...] 0 where all have it.
    """
    return np.maximum(minimum - shares, 0.0).sum(-1)


def inequality(shares: Array) -> float:
    """Gini coefficient of [K] shares: 0 where all are equal, (K - 1) / K where one has all (Gini, 1912)."""
    ordered, k = np.sort(shares), len(shares)
    return float((2 * np.arange(1, k + 1) - k - 1) @ ordered / (k * ordered.sum()))
