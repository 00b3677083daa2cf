"""Which of several texts is best, where each is worth what was predicted give or take: formulas."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr

Array = NDArray[np.float64]

STEPS = 8
"""Points of the integral to a standard deviation."""
LEAST = 1e-3
"""Standard deviations below this share of the distance between means are taken for it: nothing is in doubt."""


def chance_of_best(means: Array, deviation: float) -> Array:
    """Probability that each of n independent normals of one deviation is the largest.

    The integral over x of phi((x - m_i) / s) / s times the product over j != i of Phi((x - m_j) / s), on an even grid.

    Args:
        means: [n].
        deviation: of each.

    Returns:
        [n], of sum 1.
    """
    apart = float(np.ptp(means))
    deviation = max(deviation, LEAST * apart, 1e-12)
    points = int(STEPS * (apart / deviation + 12))
    x = np.linspace(means.min() - 6 * deviation, means.max() + 6 * deviation, points)
    others, found = np.zeros(points), np.zeros(len(means))
    for mean in means:
        others += log_ndtr((x - mean) / deviation)
    for i, mean in enumerate(means):
        z = (x - mean) / deviation
        found[i] = np.exp(others - log_ndtr(z) - z**2 / 2).sum()
    return found / found.sum()


def click_rate(log_odds: Array | float) -> Array:
    """Probability of a click."""
    return np.asarray(expit(log_odds), dtype=np.float64)
