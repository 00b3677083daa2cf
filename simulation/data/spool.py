"""Arrays that are looked at several times, block by block: kept in memory, or in a file where they may outgrow it."""

import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class Spool:
    """Blocks of named arrays, in the order in which they came.

    On disk they stand in a temporary file (where `TMPDIR` says) that has no name and is gone with the process.
    """

    def __init__(self, on_disk: bool) -> None:
        """An empty one."""
        self._file = tempfile.TemporaryFile() if on_disk else None  # noqa: SIM115 - it lives as long as the spool
        self._blocks: list[Arrays] = []
        self._places: list[tuple[int, tuple[str, ...]]] = []
        self._end = 0

    def append(self, **arrays: NDArray[Any]) -> None:
        """Adds a block; no array may hold objects."""
        if self._file is None:
            self._blocks.append(arrays)
            return
        self._places.append((self._end, tuple(arrays)))
        self._file.seek(self._end)
        for array in arrays.values():
            np.lib.format.write_array(self._file, np.ascontiguousarray(array), allow_pickle=False)
        self._end = self._file.tell()

    def __len__(self) -> int:
        return len(self._blocks) + len(self._places)

    def __iter__(self) -> Iterator[Arrays]:
        """The blocks, one in memory at a time; several iterations may go on side by side."""
        yield from self._blocks
        for place, names in self._places:
            assert self._file is not None
            self._file.seek(place)
            yield {name: np.lib.format.read_array(self._file, allow_pickle=False) for name in names}
