"""A log that outgrows memory: a folder of Parquet files, read batch by batch and checked as a file is."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow.parquet import ParquetFile

from .catalog import UNKNOWN
from .errors import InputError, understood
from .log_format import (
    name_segments,
    refuse_gaps,
    refuse_infinite,
    refuse_torn,
    refuse_twice,
    refuse_unclicked,
    schema_without,
)
from .reading.typed import Kind, as_numbers, as_texts, as_times, kind_of
from .repeated import Repeated, hashed
from .tables import FREE, check_table, is_text, named_columns, refuse_missing, refuse_nested

ROWS = 131_072
"""Rows that are read at once."""
BUFFER = 2**20
"""Bytes of a column that are read ahead; without it a row group is held as a whole."""
_DEFAULT = "__HIVE_DEFAULT_PARTITION__"


def read_log_folder(
    folder: Path,
    *,
    without: Collection[str] = (),
    skip: Collection[str] = (),
    columns: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Reads a folder of Parquet files, below it too, in the order of their paths, as one log.

    Columns are taken by their types: numbers as numbers, times as timestamps or ISO 8601, names as texts or whole
    numbers. Folders called `name=value` add a column. The rows of an impression stand side by side in one file.

    Args:
        folder: files and folders that begin with `_` or `.` are left out; what else is not Parquet is refused.
        without: columns that the reader can do without.
        skip: those of them that it does not look at even where they are there.
        columns: the files' names of columns by our own, where they differ.

    Yields:
        A file and rows of it: whole impressions, from the top slot down; times in UTC, positions from 0. A label of the
        index plus 2 is the row in the file.

    Raises:
        InputError: see `read_log`; also a file with other columns than the first, or an impression whose rows are not
            side by side.
    """
    parts = [_Part.opened(path, folder, columns or {}) for path in parquet_files(folder)]
    schema = schema_without(without).remove_columns(list(skip))
    state = _State(_kinds(parts, schema), schema)
    repeated = Repeated()
    for part in parts:
        for frame in _whole(part, state):
            starts = _starts(frame)
            repeated.see(frame.impression_id.iloc[starts])
            yield str(part.path), frame
    if not state.rows:
        raise InputError(f"{folder}: the log has no rows; add at least one")
    if state.base:
        understood.info("%s: read with positions from 1 on", folder.name)
    if state.unnamed:
        understood.info(
            "%s: read with %s rows with no user_segment as '%s'", folder.name, f"{state.unnamed:,}", UNKNOWN
        )
    if (suspects := repeated.suspects()).size:
        _refuse_apart(parts, suspects)


def parquet_files(folder: Path) -> list[Path]:
    """Files of a folder and of those below it, in the order of their paths.

    Raises:
        InputError: there are none.
    """
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path.relative_to(folder)))
    if not found:
        raise InputError(f"{folder}: no Parquet files in it; give a folder of them, or the path of one file")
    return found


def _hidden(path: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in path.parts)


@dataclass(frozen=True)
class _Part:
    """A file."""

    path: Path
    names: tuple[str, ...]
    """Its columns as the format has them, those of its folders last."""
    header: tuple[str, ...]
    """As they are in the file."""
    kinds: tuple[Kind, ...]
    of_folders: Mapping[str, str | None]

    @classmethod
    def opened(cls, path: Path, folder: Path, columns: Mapping[str, str]) -> "_Part":
        schema = _opened(path).schema_arrow
        refuse_nested(schema, str(path))
        told = _of_folders(path.relative_to(folder))
        header = [*schema.names, *(name for name in told if name not in schema.names)]
        said: list[str] = []
        names = named_columns(header, list(schema_without(()).columns), columns, str(path), said)
        kinds: list[Kind] = [kind_of(field.type) for field in schema]
        for name in header[len(kinds) :]:
            kinds.append("nothing" if told[name] is None else "text")
        return cls(path, tuple(names), tuple(header), tuple(kinds), told)

    def batches(self, wanted: Collection[str]) -> Iterator[tuple[int, dict[str, pa.Array]]]:
        """The first row of each batch, its number in the file, and the columns by our names."""
        inside = {own: name for own, name in zip(self.names, self.header, strict=True) if own in wanted}
        kept = [name for name in inside.values() if name not in self.of_folders]
        row = 0
        try:
            for batch in _opened(self.path).iter_batches(ROWS, columns=kept):
                told = {name: pa.array([value], pa.large_string()) for name, value in self.of_folders.items()}
                yield (
                    row + 2,
                    {
                        own: batch.column(name) if name in kept else _repeated(told[name], len(batch))
                        for own, name in inside.items()
                    },
                )
                row += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.path}: cannot be read ({str(error).splitlines()[0]}); write it anew") from None


def _opened(path: Path) -> ParquetFile:
    try:
        return ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: not Parquet ({reason}); a log's folder holds Parquet files alone: move others away"
        ) from None


def _repeated(one: pa.Array, n: int) -> pa.Array:
    return one.take(pa.array(np.zeros(n, dtype=np.int64)))


def _of_folders(path: Path) -> dict[str, str | None]:
    """Columns that folders tell, `channel=search/part-0.parquet`, as Hive and Spark write them."""
    pairs = (name.split("=", 1) for name in path.parts[:-1] if "=" in name)
    return {unquote(name): None if value == _DEFAULT else unquote(value) for name, value in pairs}


def _kinds(parts: list[_Part], schema: pandera.DataFrameSchema) -> dict[str, Kind]:
    """What each column that is read holds, the same in all files.

    Raises:
        InputError: a column that is missing in a file, or of another kind there.
    """
    known: dict[str, Kind] = {}
    for part in parts:
        refuse_missing(pd.DataFrame(columns=list(part.names)), schema, str(part.path), {}, part.header)
        kinds: dict[str, Kind] = dict(zip(part.names, part.kinds, strict=True))
        read = [name for name in kinds if name in schema.columns or name.startswith(FREE)]
        for name in read:
            kind = kinds[name]
            column = schema.columns.get(name)
            if column is not None and not is_text(column) and kind == "text" and name not in part.of_folders:
                raise InputError(f"{part.path}: column '{name}' holds texts; in a folder's files numbers are numbers")
            if column is not None and name != "timestamp":
                kind = _asked(column)
            before = known.setdefault(name, kind) if part is parts[0] else known.get(name)
            if before is None:
                raise InputError(f"{part.path}: column '{name}' is not in {parts[0].path}; {_SAME}")
            if name != "timestamp" and "nothing" not in (before, kind) and before != kind:
                raise InputError(f"{part.path}: column '{name}' holds a {kind}, in others a {before}; {_SAME}")
            known[name] = kind if before == "nothing" else before
        if lost := [name for name in known if name not in read]:
            raise InputError(f"{part.path}: column '{lost[0]}' is missing, which {parts[0].path} has; {_SAME}")
    return known


def _asked(column: pandera.Column) -> Kind:
    return "text" if is_text(column) else "number"


_SAME = "write the same columns, of the same types, in all files"


@dataclass
class _State:
    """What is known of the log so far."""

    kinds: Mapping[str, Kind]
    schema: pandera.DataFrameSchema
    zoned: bool | None = None
    base: float | None = None
    """Number of the top position, 0 or 1."""
    rows: int = field(default=0)
    unnamed: int = field(default=0)
    """Rows with no segment."""


def _whole(part: _Part, state: _State) -> Iterator[pd.DataFrame]:
    """Checked rows of a file, cut between impressions."""
    left: pd.DataFrame | None = None
    for row, batch in part.batches(state.kinds):
        frame = _typed(batch, row, part, state)
        if frame.empty:
            continue
        state.rows += len(frame)
        frame = frame if left is None else pd.concat([left, frame])
        last = int(_starts(frame)[-1])
        left = frame.iloc[last:]
        if last:
            yield _checked(frame.iloc[:last], part, state)
    if left is not None:
        yield _checked(left, part, state)


def _typed(batch: Mapping[str, pa.Array], row: int, part: _Part, state: _State) -> pd.DataFrame:
    source, found = str(part.path), {}
    for name, column in batch.items():
        if name == "timestamp":
            found[name], state.zoned = as_times(column, row, source, state.zoned)
        elif state.kinds[name] == "number":
            found[name] = as_numbers(column).to_numpy(zero_copy_only=False)
        elif state.kinds[name] == "time":
            found[name] = as_times(column, row, source, None)[0]
        else:
            found[name] = as_texts(column, name, row, source).to_pandas()
    frame = pd.DataFrame(found)
    frame.index = pd.RangeIndex(row - 2, row - 2 + len(frame))
    schema = state.schema
    if "timestamp" in frame:
        schema = schema.update_columns({"timestamp": {"dtype": "datetime64[ns, UTC]", "checks": []}})
    frame = check_table(frame, schema, source)
    state.unnamed += name_segments(frame)
    return frame.astype({name: int for name in ("position", "clicked", "converted") if name in frame})


def _starts(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Rows at which another impression begins."""
    return np.flatnonzero(_changes(frame.impression_id))


def _changes(column: pd.Series) -> NDArray[np.bool_]:
    """[n] whether a value is another than the one before; the first is."""
    values = pa.array(column) if not isinstance(column.dtype, np.dtype) else None
    if values is None or isinstance(column.dtype, pd.DatetimeTZDtype):
        raw = column.to_numpy()
        return np.append(True, raw[1:] != raw[:-1])
    return np.append(True, pc.not_equal(values.slice(1), values.slice(0, len(values) - 1)).to_numpy(False))


def _checked(frame: pd.DataFrame, part: _Part, state: _State) -> pd.DataFrame:
    """Whole impressions as `checked_log` has them; what is plainly right is not looked at a second time."""
    source = str(part.path)
    refuse_unclicked(frame, source)
    refuse_infinite(frame, source)
    first = _changes(frame.impression_id)
    starts = np.flatnonzero(first)
    if state.base is None:
        state.base = min(int(frame.position.iloc[: starts[1] if len(starts) > 1 else None].min()), 1)
    if state.base:
        frame = frame.assign(position=frame.position - state.base)
    place = np.arange(len(frame)) - np.repeat(starts, np.diff(np.append(starts, len(frame))))
    same = [~_changes(frame[name])[~first] for name in ("user_id", "channel") if name in frame]
    if "timestamp" in frame:
        time = frame.timestamp.astype(np.int64).to_numpy()
        same.append((np.diff(time, prepend=time[0]) >= 0)[~first])
    if (frame.position.to_numpy() == place).all() and all(one.all() for one in same):
        return frame
    numbered = frame.assign(run=np.cumsum(first))
    runs = numbered.groupby("impression_id", sort=False).run.nunique()
    if (runs > 1).any():
        again = numbered[(numbered.impression_id == runs.index[runs > 1][0]) & first]
        raise InputError(
            f"{source}: {_apart(runs.index[runs > 1][0], int(again.index[1]) + 2, source, int(again.index[0]) + 2)}"
        )
    if (below := frame.position < 0).any():
        raise InputError(
            f"{source}: row {frame.index[below][0] + 2}: position 0, in rows before positions count from 1; number all "
            "from 0 or all from 1"
        )
    refuse_twice(frame, source)
    refuse_gaps(frame, f"{source}: rows of an impression are to stand side by side in one file")
    refuse_torn(frame, source)
    return frame.iloc[np.lexsort([frame.position, np.cumsum(first)])]


def _refuse_apart(parts: list[_Part], suspects: NDArray[np.uint64]) -> None:
    """Looks again for impressions that came twice: two names may have had one hash."""
    places: dict[str, tuple[Path, int]] = {}
    for part in parts:
        before: str | None = None
        for row, batch in part.batches(["impression_id"]):
            names = pd.Series(as_texts(batch["impression_id"], "impression_id", row, str(part.path)).to_pandas())
            first = _changes(names)
            first[0] = names.iloc[0] != before
            before = names.iloc[-1]
            for at in np.flatnonzero(first & np.isin(hashed(names), suspects)):
                path, there = places.setdefault(names.iloc[at], (part.path, row + int(at)))
                if (path, there) != (part.path, row + at):
                    raise InputError(f"{part.path}: {_apart(names.iloc[at], row + int(at), str(path), there)}")


def _apart(name: str, row: int, other: str, there: int) -> str:
    return (
        f"row {row}: impression '{name}' has rows in {other} from row {there} on, and again here; write its rows side "
        "by side in one file (sort by impression_id), and give every impression an id of its own"
    )
