"""Which of several compromises no other one beats."""

from collections.abc import Sequence

import numpy as np


def front(points: Sequence[Sequence[float]]) -> list[bool]:
    """Which points are on the Pareto front, more being better in every coordinate.

    A point is off the front if another is at least as good in all coordinates and better in one.

    Args:
        points: [n, k].
    """
    values = np.asarray(points, dtype=float)
    no_worse = (values[:, None] >= values[None]).all(2)
    better = (values[:, None] > values[None]).any(2)
    return np.logical_not((no_worse & better).any(0)).tolist()
