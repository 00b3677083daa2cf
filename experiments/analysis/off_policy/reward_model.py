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


class RateCounts:
    """What rates are made of, counted block by block: what was shown and earned by fold, context, slot and creative."""

    def __init__(self, contexts: int, slots: int, creatives: int, folds: int = 2) -> None:
        """Counts nothing yet."""
        self.shape = (folds, contexts, slots, creatives)
        self._shown, self._earned = np.zeros(self.shape), np.zeros(self.shape)

    def add(self, fold: Codes, context: Codes, creative: Codes, reward: Array) -> None:
        """Counts impressions: [n], [n], [n, L] and [n, L]."""
        slots = np.broadcast_to(np.arange(creative.shape[1]), creative.shape)
        cell = np.ravel_multi_index((fold[:, None], context[:, None], slots, creative), self.shape).ravel()
        size = self._shown.size
        self._shown += np.bincount(cell, minlength=size).reshape(self.shape)
        self._earned += np.bincount(cell, reward.ravel(), minlength=size).reshape(self.shape)

    def tables(self) -> Array:
        """[F, S, L, K]: creative in slot, shrunk to the slot; in context, shrunk to that.

        Each step takes five rewards' worth of impressions from the coarser rate, an empirical-Bayes mean with a prior
        of fixed weight. Cross-fitting (Chernozhukov et al., "Double machine learning", 2018) keeps a row's own reward
        out of what is predicted of it.
        """
        shown, earned = self._shown.sum(0) - self._shown, self._earned.sum(0) - self._earned
        slot = (earned.sum((1, 3)) / np.maximum(shown.sum((1, 3)), 1))[:, None, :, None]
        prior = 5 / np.maximum(slot, 1e-6)
        alone = (earned.sum(1, keepdims=True) + prior * slot) / (shown.sum(1, keepdims=True) + prior)
        return (earned + prior * alone) / (shown + prior)


def fit_rates(
    context: Codes, creative: Codes, reward: Array, creatives: int, rng: np.random.Generator, folds: int = 2
) -> RateTables:
    """Cross-fitted rates, see `RateCounts.tables`.

    Args:
        context: [n] codes from 0.
        creative: [n, L] codes from 0.
        reward: [n, L].
        creatives: K.
        rng: deals rows to folds.
        folds: F.
    """
    counts = RateCounts(int(context.max()) + 1, creative.shape[1], creatives, folds)
    fold = deal(len(creative), rng, folds)
    counts.add(fold, context, creative, reward)
    return RateTables(counts.tables(), fold, context)


def deal(n: int, rng: np.random.Generator, folds: int = 2) -> Codes:
    """[n] folds, all but equally large."""
    return rng.permutation(n) % folds
