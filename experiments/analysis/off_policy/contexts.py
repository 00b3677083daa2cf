"""What is logged of a visit, as numbers that an agent sees: of bounded width, and what is missing is told apart.

A log is seen block by block, and read again as numbers once all of it was seen: how numbers are scaled, and whether
texts are few enough to be told apart, is not known before.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....simulation.data.spool import Arrays
from ....simulation.text.encoder import TextEncoder
from ..statistics.moments import Moments

Numbers = NDArray[np.float32]

TOLD_APART = 32
"""Values of a column that get a number each; more are read as texts: a query a visit must not be a column a visit."""
WIDTH = 32
"""Numbers that a text is read into."""
BATCH = 65_536


class Contexts:
    """A constant, the channel, and every `user_*` and `context_*` column but the user's id.

    Texts of few values are one-hot, of many they are hashed n-grams (`TextEncoder`); numbers and times are scaled to
    mean 0 and deviation 1. Where a value is missing the others are 0, and a column of its own is 1.
    """

    def __init__(self, wanted: bool = True) -> None:
        """Nothing is seen yet; where no agent will look, `wanted` False, only what is to be noted is."""
        self.wanted = wanted
        self._columns: dict[str, _Texts | _Numbers] = {}

    def see(self, top: pd.DataFrame) -> Arrays:
        """What is to be kept of a block, a row an impression, to read it later; no rows of it at all if not wanted."""
        free = [str(name) for name in top if str(name).startswith(("user_", "context_")) and name != "user_id"]
        kept: Arrays = {}
        for name in ["channel", *free]:
            if name not in self._columns:
                self._columns[name] = _Numbers() if _is_number(top[name]) else _Texts(self.wanted)
            arrays = self._columns[name].see(top[name])
            kept |= {f"{name}/{part}": array for part, array in arrays.items()} if self.wanted else {}
        return kept

    def read(self, kept: Arrays, n: int) -> Numbers:
        """[n, d] of a block, after all were seen."""
        texts, numbers = [np.ones((n, 1), np.float32)], []
        for name, column in self._seen() if self.wanted else ():
            (texts if isinstance(column, _Texts) else numbers).append(column.read(kept, name))
            if column.missing:
                numbers.append(column.is_missing(kept, name))
        return np.concatenate([*texts, *numbers], axis=1, dtype=np.float32)

    @property
    def width(self) -> int:
        """d."""
        return 1 + sum(column.width + bool(column.missing) for _, column in self._seen()) if self.wanted else 1

    def notes(self) -> list[str]:
        """What was not taken as it stands."""
        found = []
        for name, column in self._seen():
            if isinstance(column, _Texts) and column.many:
                found.append(f"{name} has more than {TOLD_APART} values: they are read as texts, in {WIDTH} numbers.")
            if column.missing:
                share = column.missing / column.rows
                found.append(f"{name} is missing in {share:.1%} of impressions: that is a value of its own.")
        return found

    def _seen(self) -> "list[tuple[str, _Texts | _Numbers]]":
        """Columns that hold something."""
        return [(name, column) for name, column in self._columns.items() if column.missing < column.rows]


class _Texts:
    """A column of texts."""

    def __init__(self, wanted: bool) -> None:
        self.rows = self.missing = 0
        self.many = False
        self._wanted = wanted
        self._number: dict[str, int] = {}
        """Values in the order in which they came, as long as they are few."""

    @property
    def width(self) -> int:
        return WIDTH if self.many else len(self._number)

    def see(self, column: pd.Series) -> Arrays:
        code, values = pd.factorize(column.astype(str).where(column.notna()))
        self.rows, self.missing = self.rows + len(code), self.missing + int((code < 0).sum())
        if not self.many:
            strange = [value for value in values if value not in self._number]
            self.many = len(self._number) + len(strange) > TOLD_APART
            if not self.many:
                self._number |= {value: len(self._number) + i for i, value in enumerate(strange)}
        if self.many:
            vectors = _encoded(list(values)) if self._wanted else _encoded([])
            return {"code": code.astype(np.int32), "vectors": vectors}
        number = np.array([*(self._number[value] for value in values), -1], dtype=np.int32)
        return {"code": number[code]}

    def read(self, kept: Arrays, name: str) -> Numbers:
        """[n, values] or [n, WIDTH], zeros where it is missing; every value of a block is read once."""
        code = kept[f"{name}/code"]
        if self.many:
            vectors = kept.get(f"{name}/vectors")
            vectors = _encoded(list(self._number)) if vectors is None else vectors
            return np.concatenate([vectors, np.zeros((1, WIDTH), np.float32)])[code]
        order = np.argsort(np.argsort(np.array(list(self._number))))
        found = np.zeros((len(code), len(order)), np.float32)
        there = np.flatnonzero(code >= 0)
        found[there, order[code[there]]] = 1
        return found

    def is_missing(self, kept: Arrays, name: str) -> Numbers:
        return (kept[f"{name}/code"] < 0).astype(np.float32)[:, None]


class _Numbers:
    """A column of numbers, or of times."""

    width = 1

    def __init__(self) -> None:
        self.rows = self.missing = 0
        self._moments: Moments | None = None

    def see(self, column: pd.Series) -> Arrays:
        if pd.api.types.is_datetime64_any_dtype(column):
            epoch = pd.Timestamp(0, tz="UTC" if isinstance(column.dtype, pd.DatetimeTZDtype) else None)
            column = (column - epoch).dt.total_seconds()
        values = column.to_numpy(np.float64, na_value=np.nan)
        there = values[~np.isnan(values)]
        self.rows, self.missing = self.rows + len(values), self.missing + len(values) - len(there)
        if len(there):
            found = Moments.of(there[:, None])
            self._moments = found if self._moments is None else self._moments + found
        return {"number": values}

    def read(self, kept: Arrays, name: str) -> Numbers:
        """[n, 1]."""
        assert self._moments is not None
        spread = self._moments.deviation()[0]
        scaled = (kept[f"{name}/number"] - self._moments.mean[0]) / (spread if spread > 0 else 1.0)
        return np.nan_to_num(scaled).astype(np.float32)[:, None]

    def is_missing(self, kept: Arrays, name: str) -> Numbers:
        return np.isnan(kept[f"{name}/number"]).astype(np.float32)[:, None]


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)


def _encoded(values: list[str]) -> Numbers:
    encoder = TextEncoder(dim=WIDTH)
    read = [encoder.encode(values[i : i + BATCH]).numpy() for i in range(0, len(values), BATCH)]
    return np.concatenate(read) if read else np.zeros((0, WIDTH), np.float32)
