"""The results of an experiment: one Parquet file that only grows, one row a cell."""

import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from ....simulation.data.errors import InputError
from ....simulation.data.files import write_whole

SCHEMA = pa.schema(
    [
        ("agent", pa.string()),
        ("world", pa.string()),
        ("seed", pa.int64()),
        ("settings", pa.string()),
        ("size", pa.list_(pa.int64())),
        ("reward", pa.list_(pa.float64())),
        ("oracle", pa.list_(pa.float64())),
        ("seconds", pa.float64()),
        ("traffic", pa.string()),
        ("shown_to", pa.string()),
        ("looks", pa.list_(pa.float32())),
    ]
)
"""A row is what `cells.cells_of` yields."""
KEY = ("world", "seed", "agent")
"""What names a cell; rows are sorted by it, so that the file does not depend on who was first."""


class Results:
    """Results on disk; as a context it holds the file's lock.

    A file is written whole beside the old one and then renamed, so that it is the old or the new one at any moment.
    """

    def __init__(self, path: Path) -> None:
        """Names the file; nothing is read yet."""
        self.path = path
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        self._rows: dict[tuple, dict[str, Any]] = {}
        self._waiting = 0
        self._written, self._cost = 0.0, 0.0

    def __enter__(self) -> "Results":
        """Locks and reads.

        Raises:
            InputError: another process has it, or it is no results file.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{self.path}: another process is adding to it; wait until it is done, or give another --results"
            ) from None
        try:
            self._rows = {_key(row): row for row in self._read()}
        except InputError:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Writes what waits, whatever happened, and unlocks."""
        try:
            if not isinstance(error, InputError) or self._waiting:
                self.flush()
        finally:
            self._lock.release()

    def __contains__(self, key: tuple[str, int, str]) -> bool:
        return key in self._rows

    def refuse_others(self, settings: Mapping[str, str]) -> None:
        """Refuses the file if it holds cells of other settings.

        Args:
            settings: by world: the settings (JSON) its cells would have now.

        Raises:
            InputError: naming what differs.
        """
        some = next(iter(settings.values()))
        for row in self._rows.values():
            known = row["world"] in settings
            there, here = json.loads(row["settings"]), json.loads(settings.get(row["world"], some))
            differ = [k for k in sorted(there | here) if there.get(k) != here.get(k) and (known or k != "world")]
            if differ:
                raise InputError(f"{self.path}: {_difference(differ, there, here, row['world'])}")

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Takes in finished cells; they are written soon, so that writing costs a twentieth of the time at most.

        Raises:
            InputError: the disk is full; see `flush`.
        """
        for row in rows:
            self._rows[_key(row)] = row
            self._waiting += 1
        if time.monotonic() - self._written > 20 * self._cost:
            self.flush()

    def flush(self) -> None:
        """Writes all cells.

        Raises:
            InputError: the file cannot be written, the disk being full for example. What was in it is still there; the
                new cells are saved to the system's temporary directory, if there is room.
        """
        if not self._waiting:
            return
        start = time.monotonic()
        try:
            _write(self.path, self._table())
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror or error}; {self._rescue()}") from None
        self._waiting, self._written = 0, time.monotonic()
        self._cost = self._written - start

    def frame(self) -> pd.DataFrame:
        """All cells, sorted."""
        return self._table().to_pandas()

    def _table(self) -> pa.Table:
        return pa.Table.from_pylist([self._rows[key] for key in sorted(self._rows)], schema=SCHEMA)

    def _read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        try:
            table = pq.read_table(self.path)
            fits = table.schema.names == SCHEMA.names
            rows = table.cast(SCHEMA).to_pylist() if fits else self._refuse()
            for row in rows:
                if None in _key(row) or not isinstance(json.loads(row["settings"]), dict):
                    self._refuse()
            return rows
        except (pa.ArrowException, OSError, ValueError, TypeError, RecursionError, MemoryError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise InputError(f"{self.path}: not readable as results ({reason}); give another --results") from None

    def _refuse(self) -> NoReturn:
        raise InputError(f"{self.path}: not the results of `copybandit compare`; give another --results")

    def _rescue(self) -> str:
        safe = f"{len(self._rows) - self._waiting} cells are safe in it, and {self._waiting} new ones"
        spare = Path(tempfile.gettempdir()) / f"{self.path.stem}-rescued-{os.getpid()}.parquet"
        try:
            _write(spare, self._table())
        except OSError:
            return f"{safe} could be saved nowhere; make room and run again: only missing cells run"
        return f"{safe} too in {spare}: make room, move it over {self.path.name} and run again"


def _key(row: Mapping[str, Any]) -> tuple:
    return tuple(row[name] for name in KEY)


def _write(path: Path, table: pa.Table) -> None:
    write_whole(path, lambda beside: pq.write_table(table, beside))


def _difference(names: list[str], there: Mapping[str, Any], here: Mapping[str, Any], world: str) -> str:
    told = [f"{name} {there.get(name)}, now {here.get(name)}" for name in names if name != "world"]
    if "world" in names:
        told.append(f"the world '{world}' has changed since")
    return f"holds cells of other settings ({'; '.join(told)}); give the same settings, or another --results"
