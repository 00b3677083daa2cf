"""What a mean and its interval need of many values, summed block by block: the values themselves need not be kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from .bootstrap import Array


@dataclass(frozen=True)
class Moments:
    """Of n values of E columns; all [E] but n."""

    n: int
    mean: Array
    square: Array
    """Sum of (value - mean)^2."""
    cube: Array
    """Sum of (value - mean)^3."""
    fourth: Array
    """Sum of (value - mean)^4."""
    least: Array
    most: Array

    @classmethod
    def of(cls, values: Array) -> "Moments":
        """Of [n, E] values, n at least 1."""
        mean = values.mean(0)
        off = values - mean
        square = off * off
        cube, fourth = (square * off).sum(0), (square * square).sum(0)
        return cls(len(values), mean, square.sum(0), cube, fourth, values.min(0), values.max(0))

    @classmethod
    def over(cls, blocks: Iterable[Array]) -> "Moments":
        """Of blocks of [m, E] values, of which one at least is not empty."""
        return reduce(Moments.__add__, (Moments.of(block) for block in blocks if len(block)))

    def __add__(self, other: "Moments") -> "Moments":
        """Of both (Pebay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order
        statistical moments", Sandia report SAND2008-6212, 2008).
        """
        n, a, b = self.n + other.n, self.n, other.n
        gap = other.mean - self.mean
        shift = gap / n
        square = self.square + other.square + gap * shift * a * b
        cube = (
            self.cube + other.cube + gap * shift**2 * a * b * (a - b) + 3 * shift * (a * other.square - b * self.square)
        )
        fourth = (
            self.fourth
            + other.fourth
            + gap * shift**3 * a * b * (a * a - a * b + b * b)
            + 6 * shift**2 * (a * a * other.square + b * b * self.square)
            + 4 * shift * (a * other.cube - b * self.cube)
        )
        least, most = np.minimum(self.least, other.least), np.maximum(self.most, other.most)
        return Moments(n, self.mean + shift * b, square, cube, fourth, least, most)

    def deviation(self, ddof: int = 0) -> Array:
        """[E] standard deviations; NaN where there are not more than `ddof` values."""
        return np.sqrt(self.square / (self.n - ddof)) if self.n > ddof else np.full_like(self.square, np.nan)

    def columns(self, where: "slice | list[int]") -> "Moments":
        """Of some of the columns."""
        return Moments(self.n, *(value[where] for name, value in vars(self).items() if name != "n"))
