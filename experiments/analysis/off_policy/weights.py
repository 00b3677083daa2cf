"""What the weights of a log come to, slot by slot, and why a figure that rests on them should not be leaned on."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..statistics.bootstrap import Array
from ..statistics.moments import Moments
from .estimators import Over, effective_sample_size
from .slate_estimators import above, down
from .weighted_log import WeightedLog

POOR_SIZE = 100
"""An effective sample size below this is called poor."""
POOR_SHARE = 0.05
"""A single weight with more than this share of all is called poor."""
IDLE = 1e-6
"""Weights that average less say that the policy never does what the log holds."""


@dataclass(frozen=True)
class Sums:
    """Of one kind of weight, over decisions; all [L]."""

    weight: Moments
    earned: Array
    """Sum of w r."""
    squares: Array
    """Sum of (w r)^2."""
    missed: Array
    """Sum of w (r - q)."""

    @classmethod
    def of(cls, reward: Array, weight: Array, predicted: Array) -> "Sums":
        """Of [n, L] rewards, weights and predictions."""
        earned = weight * reward
        return cls(Moments.of(weight), earned.sum(0), (earned**2).sum(0), (weight * (reward - predicted)).sum(0))

    @classmethod
    def over_blocks(cls, blocks: Iterable[tuple[Array, Array, Array]]) -> "Sums":
        """Of rewards, weights and predictions of blocks."""
        return reduce(Sums.__add__, (Sums.of(*block) for block in blocks))

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.weight + other.weight,
            self.earned + other.earned,
            self.squares + other.squares,
            self.missed + other.missed,
        )

    @property
    def over(self) -> Over:
        """What rewards are normalised by."""
        return Over(self.weight.mean, self.earned / self.weight.n)

    @property
    def over_missed(self) -> Over:
        """What the errors of the model are normalised by."""
        return Over(self.weight.mean, self.missed / self.weight.n)

    @property
    def idle(self) -> bool:
        """Whether weights are as good as zero in some slot."""
        return bool((self.weight.mean < IDLE).any())

    @property
    def largest(self) -> float:
        """The largest weight."""
        return float(self.weight.most.max())

    @property
    def effective_size(self) -> float:
        """See `effective_sample_size`."""
        return effective_sample_size(self.weight)

    @property
    def events(self) -> tuple[float, float]:
        """Sum of weights times rewards, weights averaging 1, and of their squares."""
        mean = self.weight.mean
        return float((self.earned / mean).sum()), float((self.squares / mean**2).sum())


@dataclass(frozen=True)
class Weights:
    """Of a policy on a log."""

    slots: int
    most: float
    """Largest reward of a slot."""
    single: Sums | None
    """Of a creative in its slot."""
    slates: Sums | None
    """Of the slots down to each."""
    above: Sums | None
    """Of the slots above each, with the model's word on the policy's choice below them in the place of the reward."""

    def __add__(self, other: "Weights") -> "Weights":
        pairs = ((self.single, other.single), (self.slates, other.slates), (self.above, other.above))
        return Weights(self.slots, self.most, *(None if a is None or b is None else a + b for a, b in pairs))

    @property
    def by_kind(self) -> dict[str, Sums]:
        """Those that the log tells, by what messages call them."""
        slates = None if self.slots == 1 else self.slates
        return {name: sums for name, sums in (("", self.single), ("slates: ", slates)) if sums is not None}


def weigh(log: Iterable[WeightedLog]) -> Weights:
    """What weights come to over the blocks of a log, of which one at least is not empty."""
    return reduce(Weights.__add__, (_of_block(block) for block in log if len(block)))


def _of_block(block: WeightedLog) -> Weights:
    single = slates = higher = None
    if block.weight is not None:
        single = Sums.of(block.reward, block.weight, block.predicted)
    if block.chain is not None and block.slots > 1:
        weight, (shown, chosen) = down(block.chain), block.down_the_slate
        slates = Sums.of(block.reward, weight, shown)
        higher = Sums.of(chosen, above(weight), np.zeros_like(chosen))
    return Weights(block.slots, block.most, single, slates, higher)


def overlap_warning(weight: Moments) -> str | None:
    """Why a figure should not be leaned on, in a line; None where nothing speaks against it.

    Weights average to one if propensities are right and the log holds all that the policy does.
    """
    n, mean, error = weight.n, weight.mean, weight.deviation() / np.sqrt(weight.n)
    if np.any(np.abs(mean - 1) > 4 * error + 1e-3):
        slot = int(np.argmax(np.abs(mean - 1)))
        return (
            f"weights average {mean[slot]:.2f} in slot {slot + 1}, not 1: propensities are wrong, or the policy picks "
            "what the log never holds"
        )
    size = effective_sample_size(weight)
    if size < POOR_SIZE:
        return f"poor overlap: {n:,} decisions are worth {size:.0f} of the policy's own"
    share = float(np.max(weight.most / (n * mean)))
    if share > POOR_SHARE:
        return f"poor overlap: one decision has {share:.0%} of all weight"
    return None
