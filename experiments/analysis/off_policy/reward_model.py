"""A reward model made of counts: rates by context, slot and creative, shrunk to coarser ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..statistics.bootstrap import Array

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class RateTables:
    """Mean reward by fold, context, slot and creative; each fold's table was learned from the other folds."""

    tables: Array
    """[F, S, L, K]."""
    fold: Codes
    """[n]."""
    context: Codes
    """[n], from 0 to S - 1."""

    def rows(self, where: slice | Codes) -> Array:
        """[m, L, K] of some of the n impressions."""
        return self.tables[self.fold[where], self.context[where]]

    def of(self, creative: Codes) -> Array:
        """[n, L] of the creatives that were shown."""
        slots = np.arange(creative.shape[1])
        return self.tables[self.fold[:, None], self.context[:, None], slots, creative]


def fit_rates(
    context: Codes, creative: Codes, reward: Array, creatives: int, rng: np.random.Generator, folds: int = 2
) -> RateTables:
    """Cross-fitted rates: creative in slot, shrunk to the slot; in context, shrunk to that.

    Each step takes five rewards' worth of impressions from the coarser rate, an empirical-Bayes mean with a prior of
    fixed weight. Cross-fitting (Chernozhukov et al., "Double machine learning", 2018) keeps a row's own reward out of
    what is predicted of it.

    Args:
        context: [n] codes from 0.
        creative: [n, L] codes from 0.
        reward: [n, L].
        creatives: K.
        rng: deals rows to folds.
        folds: F.
    """
    n, slots = creative.shape
    contexts = int(context.max()) + 1
    fold = rng.permutation(n) % folds
    shape = (folds, contexts, slots, creatives)
    cell = np.ravel_multi_index(
        (fold[:, None], context[:, None], np.broadcast_to(np.arange(slots), creative.shape), creative), shape
    ).ravel()
    size = int(np.prod(shape))
    shown = np.bincount(cell, minlength=size).reshape(shape).astype(np.float64)
    earned = np.bincount(cell, reward.ravel(), minlength=size).reshape(shape)
    shown, earned = shown.sum(0) - shown, earned.sum(0) - earned
    slot = (earned.sum((1, 3)) / np.maximum(shown.sum((1, 3)), 1))[:, None, :, None]
    prior = 5 / np.maximum(slot, 1e-6)
    alone = (earned.sum(1, keepdims=True) + prior * slot) / (shown.sum(1, keepdims=True) + prior)
    return RateTables((earned + prior * alone) / (shown + prior), fold, context)
