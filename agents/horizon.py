"""Placing the texts of one A/B test in a limited number of impressions: what is known beforehand, how long is left.

Belief: the click log-odds of a text are the level of its test plus its own effect. The prior of the level, how far a
text model's word is to be trusted and how much effects scatter around it come from earlier tests (`ArchivePrior`);
clicks do the rest (`believe`). Choice: the index of Brezzi and Lai, which is worth the more above the mean the more
impressions are left to profit from what is learned, and is the mean itself at the end.

Arms of many tests lie in one row, those of a test side by side; everything works on [..., arms].
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class ArchivePrior:
    """What earlier tests say about a new one, in log-odds of a click."""

    level: float
    """Mean over tests."""
    level_variance: float
    trust: float
    """Effect per unit of what the text model predicts; 0 leaves the text model out."""
    spread: float
    """Variance of a text's own effect around `trust` times its prediction."""
    spread_per_click: float = 0.0
    """What the variance grows by per impression that a click takes: rare clicks leave rates less certain."""

    def variance(self, level: Array) -> Array:
        """Variance of a text's own effect in tests of these levels."""
        return self.spread + self.spread_per_click / expit(level)


@dataclass(frozen=True)
class Belief:
    """Posterior of many tests."""

    level: Array
    """[..., tests] log-odds."""
    mean: Array
    """[..., arms] log-odds: level plus own effect."""
    variance: Array
    """[..., arms] of the effect, the level given: what arms of a test differ by."""


def sums(values: Array, starts: Indices) -> Array:
    """Sums over each test, [..., arms] -> [..., tests]."""
    return np.add.reduceat(values, starts, axis=-1)


def believe(
    prior: ArchivePrior,
    text: Array,
    shown: Array,
    clicks: Array,
    starts: Indices,
    at: Belief | None = None,
    wider: Array | float = 1.0,
) -> Belief:
    """One Newton step of the hierarchical logistic model from an earlier belief; from none, the prior itself.

    With the logistic weight W = n p (1 - p) and z = W eta + clicks - n p at the earlier eta, an arm's effect has prior
    N(f, t) and the level N(m, s): integrating effects out, level = (m/s + sum v (z/W - f)) / (1/s + sum v) with
    v = W / (1 + W t); then effect = f + t (z - W (level + f)) / (1 + W t), variance t / (1 + W t).
    (Laplace's approximation of a generalised linear mixed model: Breslow and Clayton, 1993.)

    Args:
        prior: of the tests.
        text: [arms] prediction of the text model, with mean 0 in each test.
        shown: [..., arms] impressions so far.
        clicks: [..., arms] clicks so far.
        starts: [tests] first arm of each test.
        at: where to start the step; a belief of a little earlier is good.
        wider: [arms] what the prior's variance of an arm's effect is multiplied by.
    """
    test = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(text)]))
    guess = prior.trust * text
    if at is None:
        level = np.full((*shown.shape[:-1], len(starts)), prior.level)
        at = Belief(level, level[..., test] + guess, prior.variance(level)[..., test] * wider)
    rate = expit(at.mean)
    weight = shown * rate * (1 - rate)
    response = weight * at.mean + clicks - shown * rate
    spread = prior.variance(at.level)[..., test] * wider
    shrink = 1 + weight * spread
    precision = 1 / prior.level_variance + sums(weight / shrink, starts)
    level = prior.level / prior.level_variance + sums((response - weight * guess) / shrink, starts)
    level /= precision
    effect = guess + spread * (response - weight * (level[..., test] + guess)) / shrink
    return Belief(level, level[..., test] + effect, spread / shrink)


def sampled(belief: Belief, exploration: float, left: float, rng: np.random.Generator) -> Array:
    """A draw of every arm's log-odds, from a posterior narrowed to `exploration * left` of its deviation.

    Thompson sampling (1933) with the whole deviation explores as if there were no end. Here the deviation shrinks in
    proportion to what is left to profit from, and the last impressions go to the best arm known; how much exploring
    pays in so many impressions is found on earlier tests.

    Args:
        belief: of the tests.
        exploration: share of the deviation at the start.
        left: share of the impressions that are left.
        rng: draws.
    """
    deviation = exploration * left * np.sqrt(belief.variance)
    return belief.mean + deviation * rng.standard_normal(belief.mean.shape)
