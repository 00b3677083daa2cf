"""Names of a log as numbers, where the log comes block by block."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .logged import Codes


class Numbered:
    """Numbers of names in the order in which they come."""

    def __init__(self, most: int | None = None) -> None:
        """None has come; more than `most` are too many to be told apart."""
        self._number: dict[str, int] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._number)

    @property
    def too_many(self) -> bool:
        """Whether there are more than are told apart."""
        return self._most is not None and len(self._number) > self._most

    def codes(self, column: pd.Series) -> NDArray[np.int32]:
        """[n]; all 0 once there are too many names."""
        if self.too_many:
            return np.zeros(len(column), dtype=np.int32)
        code, values = pd.factorize(column.astype(str))
        for value in values:
            if value in self._number:
                continue
            self._number[value] = len(self._number)
            if self.too_many:
                return np.zeros(len(column), dtype=np.int32)
        return np.array([self._number[value] for value in values], dtype=np.int32)[code]

    def ordered(self) -> tuple[tuple[str, ...], Codes]:
        """The names in their own order, and the place of each number in it."""
        names = list(self._number)
        order = sorted(range(len(names)), key=names.__getitem__)
        place = np.empty(len(names), dtype=np.int64)
        place[order] = np.arange(len(names))
        return tuple(names[i] for i in order), place
