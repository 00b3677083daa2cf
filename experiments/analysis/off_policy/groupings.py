"""Groups of a log's users by its columns, and users as clusters, where the log comes block by block."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ....simulation.data.columns import FREE
from ....simulation.data.errors import InputError
from ....simulation.data.repeated import hashed
from ....simulation.data.spool import Arrays
from ..statistics.bootstrap import CLUSTERS
from .logged import Codes
from .numbered import Numbered

GROUPS = 30
"""Groups at most."""


class Groupings:
    """By each column asked for: who is of which group. A block is seen as it comes, and read once all were seen."""

    def __init__(self, columns: Sequence[str], source: str) -> None:
        """Nothing is seen yet of the file or folder `source`."""
        self._source = source
        self._numbered = {column: Numbered() for column in columns}
        self._users = Numbered(CLUSTERS)

    def __bool__(self) -> bool:
        return bool(self._numbered)

    def see(self, top: pd.DataFrame) -> Arrays:
        """What is to be kept of a block, a row an impression; nothing where no groups are asked for.

        Raises:
            InputError: a column is not there, or has too many values.
        """
        kept: Arrays = {}
        for column, numbered in self._numbered.items():
            if column not in top or not (column == "channel" or column.startswith(FREE)):
                known = ", ".join(str(name) for name in top if name == "channel" or str(name).startswith(FREE))
                raise InputError(f"--groups {column}: no such column of users in {self._source}; it has {known}")
            kept[_key(column)] = numbered.codes(_named(top[column]))
            if len(numbered) > GROUPS:
                raise self._refused(column, f"at least {len(numbered):,}")
        if kept:
            kept |= {"user": self._users.codes(top.user_id), "drawer": _drawers(top.user_id)}
        return kept

    def names(self) -> dict[str, tuple[str, ...]]:
        """By column: its groups, in their own order.

        Raises:
            InputError: a column has one value.
        """
        for column, numbered in self._numbered.items():
            if len(numbered) < 2:
                raise self._refused(column, f"{len(numbered):,}")
        return {column: numbered.ordered()[0] for column, numbered in self._numbered.items()}

    def groups(self, kept: Arrays) -> Codes | None:
        """[n, groupings] of which group each impression's user is."""
        if not self:
            return None
        return np.stack([found.ordered()[1][kept[_key(column)]] for column, found in self._numbered.items()], axis=1)

    def clusters(self, kept: Arrays) -> Codes | None:
        """[n] users by their place among all; of more than `CLUSTERS` by their hash, some together."""
        if not self:
            return None
        return kept["drawer"].astype(np.int64) if self._users.too_many else self._users.ordered()[1][kept["user"]]

    def _refused(self, column: str, values: str) -> InputError:
        return InputError(
            f"--groups {column}: {values} values in {self._source}; give a column with 2 to {GROUPS} of them"
        )


def _key(column: str) -> str:
    return f"group/{column}"


def _named(column: pd.Series) -> pd.Series:
    """Values as they are written; 2.0 is 2, as numbers of a folder are all fractions."""
    texts = column.astype("string").fillna("missing")
    return texts.str.removesuffix(".0") if pd.api.types.is_float_dtype(column) else texts


def _drawers(users: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return (hashed(users.astype(str)) % np.uint64(CLUSTERS)).astype(np.int16)
