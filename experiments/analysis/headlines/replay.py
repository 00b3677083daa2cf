"""Real A/B tests replayed as bandits: texts' true rates are known, policies learn them a batch at a time.

A test's texts are its arms. Their true rates are those measured, shrunk towards the test's mean, so that chance in the
measurement does not pass for a winner. All tests and repetitions go side by side; the only loop is over batches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..statistics.bootstrap import Array

Indices = NDArray[np.int64]

PSEUDO_IMPRESSIONS = 3000
"""Impressions at its test's mean rate that are added to every text."""
BATCHES = 100


@dataclass(frozen=True)
class ArchiveTests:
    """Arms of many tests in one row, those of a test side by side."""

    rate: Array
    """[arms] true click rate."""
    text: Array
    """[arms] what the text model predicts, log-odds with mean 0 in each test."""
    starts: Indices
    """[tests] first arm of each."""

    @property
    def sizes(self) -> Indices:
        """[tests] arms of each."""
        return np.diff(np.r_[self.starts, len(self.rate)])

    @property
    def test(self) -> Indices:
        """[arms] number of the test."""
        return np.repeat(np.arange(len(self.starts)), self.sizes)

    @property
    def uniform(self) -> Array:
        """[tests] click rate of showing every arm as often."""
        return np.add.reduceat(self.rate, self.starts) / self.sizes

    @property
    def best(self) -> Array:
        """[tests] click rate of the best arm."""
        return np.maximum.reduceat(self.rate, self.starts)

    def part(self, tests: NDArray[np.bool_]) -> "ArchiveTests":
        """The tests of a mask, [tests]."""
        arms, sizes = tests[self.test], self.sizes[tests]
        return ArchiveTests(self.rate[arms], self.text[arms], np.cumsum(sizes) - sizes)


def shrunken_rates(shown: Array, clicks: Array, group: Indices, pseudo: float = PSEUDO_IMPRESSIONS) -> Array:
    """(clicks + pseudo * mean rate of the group) / (impressions + pseudo), [arms].

    A group in which nobody clicked, or everybody, is taken to be half a click from it: rates are not 0 or 1.
    """
    total = np.bincount(group, shown)
    mean = np.clip(np.bincount(group, clicks), 0.5, total - 0.5) / total
    return (clicks + pseudo * mean[group]) / (shown + pseudo)


def replayed_tests(arms: pd.DataFrame, text: Array) -> ArchiveTests:
    """Tests of an archive's contrasts, with the text model's predictions.

    Args:
        arms: `Archive.contrasts`, rows of a group side by side.
        text: [arms] predicted log-odds, up to a constant a group.
    """
    group = arms.group.to_numpy()
    rate = shrunken_rates(arms.impressions.to_numpy(np.float64), arms.clicks.to_numpy(np.float64), group)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    sizes = np.diff(np.r_[starts, len(group)])
    return ArchiveTests(rate, text - np.repeat(np.add.reduceat(text, starts) / sizes, sizes), starts)


def join(parts: Sequence[ArchiveTests]) -> ArchiveTests:
    """All tests of the parts, in their order."""
    rate, text = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rate", "text"))
    sizes = np.concatenate([part.sizes for part in parts])
    return ArchiveTests(rate, text, np.cumsum(sizes) - sizes)


@dataclass
class ReplayState:
    """Where the tests stand when a batch is to be placed."""

    tests: ArchiveTests
    """Policies may look at `text` and `starts`; `rate` is what they are to find out."""
    shown: Array
    """[repetitions, arms] impressions so far."""
    clicks: Array
    """[repetitions, arms]."""
    done: int
    """Impressions a test so far."""
    total: int
    """Impressions a test gets."""
    batch: int
    """Impressions of this batch."""
    rng: np.random.Generator


Policy = Callable[[ReplayState], Array]
"""From progress to [repetitions, arms]: how many impressions of the batch each arm gets."""


def replay(
    tests: ArchiveTests,
    policy: Policy,
    total: int,
    rng: np.random.Generator,
    repetitions: int = 4,
    batches: int = BATCHES,
) -> Array:
    """Expected clicks an impression by test, [tests]: a mean over repetitions and over the impressions of the run.

    Clicks are drawn for the policy to learn from; what is counted is the true rate of what it showed.

    Args:
        tests: what is replayed.
        policy: a new one: policies may remember.
        total: impressions a test.
        rng: draws clicks and what the policy draws.
        repetitions: of the whole replay.
        batches: outcomes are seen after each.
    """
    shown = np.zeros((repetitions, len(tests.rate)))
    clicks = np.zeros_like(shown)
    bounds = np.round(np.linspace(0, total, batches + 1)).astype(int)
    for done, after in pairwise(bounds):
        given = policy(ReplayState(tests, shown, clicks, int(done), total, int(after - done), rng))
        some = given > 0
        clicks[some] += rng.binomial(given[some].astype(np.int64), np.broadcast_to(tests.rate, given.shape)[some])
        shown += given
    return np.add.reduceat(shown.mean(0) * tests.rate, tests.starts) / total


def capture(tests: ArchiveTests, earned: Array) -> float:
    """(policy - uniform) / (oracle - uniform) of clicks over all tests.

    Args:
        tests: that were replayed.
        earned: [tests] clicks an impression of the policy.
    """
    return float((earned - tests.uniform).sum() / (tests.best - tests.uniform).sum())
