"""Logged propensities, summed: whether they can be those of one choice among the creatives."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ....simulation.data.errors import InputError
from ..statistics.bootstrap import Array
from ..statistics.moments import Moments

Kind = Literal["given-above", "in-slot"]
"""Of a creative in its slot given the slots above it, as Copybandit logs them, or whatever stands above."""
ROUNDED = 1e-3
"""What rounding may take off the sum of probabilities."""
SEEN = 5
"""A creative seen less often may have others beside it that were not seen at all: their number is not known."""


@dataclass(frozen=True)
class Propensities:
    """Of n impressions of L slots."""

    inverse: Moments
    """[L] of 1 / propensity."""
    seen: NDArray[np.int64]
    """[K] how often each creative was chosen."""

    @classmethod
    def of(cls, propensity: Array, creative: NDArray[np.integer]) -> "Propensities":
        """Of [n, L] propensities and creatives."""
        return cls(Moments.of(1 / propensity), np.bincount(creative.ravel()))

    def __add__(self, other: "Propensities") -> "Propensities":
        seen = np.zeros(max(len(self.seen), len(other.seen)), dtype=np.int64)
        for part in (self, other):
            seen[: len(part.seen)] += part.seen
        return Propensities(self.inverse + other.inverse, seen)

    def uniform(self, creatives: int) -> bool:
        """Whether each is that of a draw without repetition among all creatives, to four digits."""
        even = 1 / (creatives - np.arange(len(self.inverse.mean)))
        least, most = 1 / self.inverse.most, 1 / self.inverse.least
        return bool(np.allclose(least, even, rtol=1e-4) and np.allclose(most, even, rtol=1e-4))

    def check(self, creatives: int, source: str, kind: Kind) -> None:
        """Refuses propensities that cannot be those of one choice among the creatives.

        The mean of 1 / propensity of what was chosen is the number of creatives that could have been, at most all that
        were left. Propensities that sum to a share c of one make it 1 / c times as large.

        Raises:
            InputError: naming slot and sum.
        """
        if len(self.seen) < creatives or self.seen.min() < SEEN:
            return
        means, errors = self.inverse.mean, self.inverse.deviation() / np.sqrt(self.inverse.n)
        for slot, (mean, error) in enumerate(zip(means, errors, strict=True)):
            left = creatives - (slot if kind == "given-above" else 0)
            if mean > left + 4 * error + ROUNDED * left:
                raise InputError(
                    f"{source}: slot {slot + 1}: propensities would sum to {left / mean:.3f} over the {left} "
                    "creatives to choose from, not to 1; log how likely each was chosen, given what stood above it"
                )
