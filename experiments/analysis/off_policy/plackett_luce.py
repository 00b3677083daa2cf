"""Slates filled from the top, each slot by fixed preferences among what is left (Luce, 1959; Plackett, 1975)."""

import numpy as np
from numpy.typing import NDArray

from ..statistics.bootstrap import Array

Codes = NDArray[np.int64]


def draw_slates(preference: Array, slots: int, rng: np.random.Generator) -> Codes:
    """[n, L] slates; preferences are [n, K], positive. The largest of log p + Gumbel noise, best first."""
    with np.errstate(divide="ignore"):
        score = np.log(preference) + rng.gumbel(size=preference.shape)
    best = np.argpartition(-score, slots - 1, axis=1)[:, :slots]
    return np.take_along_axis(best, np.argsort(-np.take_along_axis(score, best, 1), axis=1), 1)


def given_above(preference: Array, slates: Codes) -> Array:
    """[n, L, K] probability of every creative in each slot, given those above it; [n, K] and [n, L]."""
    n, slots = slates.shape
    left, chances = preference.copy(), np.empty((n, slots, preference.shape[1]))
    for slot in range(slots):
        chances[:, slot] = left / left.sum(1, keepdims=True)
        left[np.arange(n), slates[:, slot]] = 0
    return chances


def in_slot(preference: Array, slots: int) -> Array:
    """[S, L, K] probability of every creative in each slot, whatever stands above; exact, for at most three slots.

    Args:
        preference: [S, K], positive.
        slots: L.

    Raises:
        ValueError: more than three slots.
    """
    if slots > 3:
        raise ValueError(f"{slots} slots: sums over what stands above grow as creatives to the power of the slots")
    p = preference / preference.sum(1, keepdims=True)
    other = 1 - np.eye(p.shape[1])
    # Of two: the first, times the second among what is left.
    pair = (p / (1 - p))[:, :, None] * p[:, None, :] * other
    left = 1 - p[:, :, None] - p[:, None, :]
    # Rounding must not make a share of what is left when nothing is.
    share = np.divide(pair, left, out=np.zeros_like(pair), where=(other > 0) & (left > 1e-12))
    without = share.sum((1, 2))[:, None] - share.sum(1) - share.sum(2)
    return np.stack([p, pair.sum(1), p * without], axis=1)[:, :slots]
