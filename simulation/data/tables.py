"""The one door for tables that people bring: what can be told for certain is read, the rest refused in one line."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow
from pandas.api.types import is_string_dtype
from pandera.errors import SchemaErrors
from pyarrow import parquet

from .columns import ANYWHERE, FREE, Names, canonical, refuse_repeated
from .errors import InputError, understood
from .files import MOST_BYTES
from .reading.contents import read_contents
from .reading.delimited import MOST_COLUMNS, SEPARATORS, find_header, read_delimited
from .reading.numbers import is_missing, read_numbers
from .reading.totals import totals_lines

not_blank = pa.Check(lambda text: text.str.strip() != "", error="a text with something in it")
finite = pa.Check(lambda number: np.isfinite(number), error="a finite number")
whole = pa.Check(lambda number: (number % 1 == 0) & (number.abs() <= 2**53), error="a whole number")


def read_table(
    path: str | Path,
    schema: pa.DataFrameSchema | Sequence[pa.DataFrameSchema],
    what: str,
    columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Reads a table and checks it against a schema.

    The file is taken by its bytes: Parquet, or text of any common separator, decimal sign and encoding, packed or not.
    Texts stand as they are written, in Parquet and CSV alike (`007` stays `007`, "NA" is a text, an empty cell is
    missing); whole numbers that a join made fractions (1008.0) are whole again. Lines above the header and lines of
    totals are left out. What had to be understood is said in one line, see `understood`.

    Args:
        path: the file.
        schema: the pandera schema; it also coerces types. Of several, that whose needed columns the table has.
        what: what the table is, for the messages ("catalog", "log", "A/B archive").
        columns: the file's names of columns by our own, where they differ.

    Returns:
        The table. Its index counts rows: a label plus 2 is the row in the file, its header (or first line) being 1.

    Raises:
        InputError: the file is missing, unreadable, empty, has two columns of one name, can be read in two ways, or
            breaks the schema; nothing is dropped in silence, and nothing guessed.
    """
    path, schemas = Path(path), [schema] if isinstance(schema, pa.DataFrameSchema) else list(schema)
    contents, said = read_contents(path, what)
    known = (schemas, str(path), columns or {}, said)
    raw = _of_parquet(contents, *known) if isinstance(contents, bytes) else _of_text(contents, *known)
    chosen = max(schemas, key=lambda one: np.mean([name in raw.frame for name in _needed(one)]))
    if isinstance(contents, str) and path.suffix == ".parquet" and not set(_needed(chosen)) & set(raw.frame):
        raise InputError(f"{path}: cannot be read as a table (not Parquet, as it is named); give CSV or Parquet")
    refuse_missing(raw.frame, chosen, str(path), columns, raw.header)
    if raw.frame.empty:
        raise InputError(f"{path}: the {what} has no rows; add at least one")
    frame = _understood(raw, chosen, str(path), said)
    if frame.empty:
        raise InputError(f"{path}: the {what} has no rows but totals; add at least one")
    frame = check_table(frame, chosen, str(path))
    if said:
        understood.info("%s: read as %s", path.name, ", ".join(dict.fromkeys(said)))
    return frame


def check_table(frame: pd.DataFrame, schema: pa.DataFrameSchema, source: str) -> pd.DataFrame:
    """Checks a table in memory; a label of its index plus 2 is the row in messages."""
    refuse_missing(frame, schema, source, None)
    try:
        return schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        raise InputError(f"{source}: {_first_failure(error.failure_cases)}") from None


@dataclass(frozen=True)
class _Raw:
    """A table as it stands in the file, under our names."""

    frame: pd.DataFrame
    separator: str
    """Of text; a comma, under which no number is in doubt, for Parquet."""
    header: list[str]
    """Names of columns as the file has them."""


def _of_text(
    text: str, schemas: list[pa.DataFrameSchema], source: str, columns: Mapping[str, str], said: list[str]
) -> _Raw:
    known = _known(schemas)
    header = find_header(text, [_needed(one) for one in schemas], lambda names: canonical(names, known, columns))
    frame = read_delimited(text, header, source)
    names = named_columns(header.names, known, columns, source, said)
    if header.separator != ",":
        said.append(f"{SEPARATORS[header.separator]} between columns")
    if header.line:
        said.append(f"{header.line} line{'s' * (header.line > 1)} above the header left out")
    kept = [i for i, name in enumerate(names) if name]
    frame = frame[kept].set_axis([names[i] for i in kept], axis=1)
    return _Raw(frame, header.separator, [name.strip() for name in header.names if name.strip()])


def _of_parquet(
    data: bytes, schemas: list[pa.DataFrameSchema], source: str, columns: Mapping[str, str], said: list[str]
) -> _Raw:
    try:
        table = _checked_size(parquet.ParquetFile(io.BytesIO(data)), source).read()
        names = named_columns(table.column_names, _known(schemas), columns, source, said)
        # An index that pandas wrote is a column as any other; whole numbers stay whole beside missing ones.
        frame = table.rename_columns(names).to_pandas(ignore_metadata=True, integer_object_nulls=True)
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{source}: cannot be read as a table ({reason}); give CSV or Parquet") from None
    return _Raw(frame, ",", table.column_names)


def _checked_size(file: parquet.ParquetFile, source: str) -> parquet.ParquetFile:
    """By the file's own word, before it is unpacked: equal values take next to no room in Parquet."""
    told = file.metadata
    size = sum(told.row_group(i).total_byte_size for i in range(told.num_row_groups))
    cells = told.num_rows * told.num_columns
    if told.num_columns > MOST_COLUMNS or max(size, 8 * cells) > MOST_BYTES:
        raise InputError(
            f"{source}: {told.num_rows:,} rows of {told.num_columns:,} columns, {size:,} bytes; at most "
            f"{MOST_BYTES:,} bytes and {MOST_COLUMNS:,} columns are read; split it"
        )
    refuse_nested(file.schema_arrow, source)
    return file


def refuse_nested(schema: pyarrow.Schema, source: str) -> None:
    """A cell holds one value."""
    nested = [field.name for field in schema if pyarrow.types.is_nested(field.type)]
    if nested:
        raise InputError(f"{source}: column '{nested[0]}' holds lists or records; write one value a cell")


def named_columns(
    header: list[str], known: list[str], columns: Mapping[str, str], source: str, said: list[str]
) -> list[str]:
    """The names of a header as the formats have them, see `canonical`; what differs is added to `said`.

    Raises:
        InputError: two columns of one name, or one of `columns` that is not there.
    """
    names = canonical(header, known, columns)
    refuse_repeated(header, names, source)
    if isinstance(columns, Names):
        columns.meet([name.strip().strip("\ufeff").strip() for name in header])
    said += [
        f"'{old.strip()}' as {new}"
        for old, new in zip(header, names, strict=True)
        if new != old.strip().strip("\ufeff")
    ]
    for own, other in columns.items():
        if own in known and own not in names:
            raise InputError(f"{source}: --columns {own}={other}: no column '{other}'; it has {_listed(header)}")
    aside = [name for name in names if name and name not in ANYWHERE and not name.startswith(FREE)]
    if aside and columns:
        free = [name for name in known if name not in names]
        said.append(
            f"{_listed(aside)} left aside" + (f" (--columns could make them {', '.join(free)})" if free else "")
        )
    return names


def _understood(raw: _Raw, schema: pa.DataFrameSchema, source: str, said: list[str]) -> pd.DataFrame:
    """Texts as texts, numbers as numbers, without totals."""
    frame = raw.frame
    texts = [name for name, column in schema.columns.items() if name in frame and is_text(column)]
    numbers = [name for name in schema.columns if name in frame and name not in texts]
    counts = [name for name in numbers if whole in schema.columns[name].checks]
    read = {name: _as_text(frame[name], source) for name in texts}
    said += [f"whole numbers in '{name}' without their .0" for name in texts if _had_fractions(frame[name], read[name])]
    frame = frame.assign(**read)
    free = [
        name
        for name in frame
        if str(name).startswith(FREE) and name not in schema.columns and _all_numbers(frame[name])
    ]
    frame, how = read_numbers(frame, [*numbers, *free], counts, raw.separator, source)
    named = [name for name in texts if schema.columns[name].required]
    totals = totals_lines(frame, named, numbers, counts)
    said += how
    if totals.any():
        rows = ", ".join(str(row + 2) for row in frame.index[totals][:5]) + (", ..." if totals.sum() > 5 else "")
        said.append(f"{'totals' if totals.sum() > 1 else 'a total'} in row {rows} left out")
    return frame[~totals]


def _as_text(column: pd.Series, source: str) -> pd.Series:
    """A column as texts; whole numbers that were stored as fractions are whole again."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.dtype.categories.dtype)
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        if (lost := column.abs() > 2**53).any():
            _refuse_lost_digits(column, lost, source)
        column = column.astype("Int64")
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype("str")
    texts = column.astype(object).map(_written, na_action="ignore").astype("str")
    given = texts.dropna()
    if len(given) and given.str.fullmatch(r"-?(?:0|[1-9]\d*)\.0+").all():
        texts = texts.str.replace(r"\.0+$", "", regex=True)
    if (
        str(column.name).endswith("_id")
        and (lost := texts.str.fullmatch(r"\d(?:[.,]\d+)?[eE]\+\d+").fillna(False)).any()
    ):
        _refuse_lost_digits(texts, lost.astype(bool), source)
    return texts


def _had_fractions(column: pd.Series, texts: pd.Series) -> bool:
    first = column.first_valid_index()
    return first is not None and str(column[first]) == f"{texts[first]}.0"


def _refuse_lost_digits(column: pd.Series, lost: pd.Series, source: str) -> None:
    row = column.index[lost][0]
    raise InputError(
        f"{source}: row {row + 2}, column '{column.name}': {str(column[row])!r} has lost its last digits, as a number "
        "too long; export it as text"
    )


def _written(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _all_numbers(column: pd.Series) -> bool:
    if not is_string_dtype(column):
        return False
    given = column[~is_missing(column)].str.strip()
    plain = given.str.fullmatch(r"[+-]?(?:inf|(?:0|[1-9]\d*)?(?:[.,]\d+)?(?:[eE][+-]?\d+)?)") & (given != "")
    return bool(len(given) and plain.all())


def is_text(column: pa.Column) -> bool:
    """Whether a column of a schema holds texts."""
    return is_string_dtype(column.dtype.type)


def _needed(schema: pa.DataFrameSchema) -> list[str]:
    return [name for name, column in schema.columns.items() if column.required]


def _known(schemas: list[pa.DataFrameSchema]) -> list[str]:
    return list(dict.fromkeys(name for schema in schemas for name in schema.columns))


def _listed(names: Sequence[Any]) -> str:
    shown = [str(name) for name in names if name]
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")


def refuse_missing(
    frame: pd.DataFrame,
    schema: pa.DataFrameSchema,
    source: str,
    columns: Mapping[str, str] | None,
    header: Sequence[str] | None = None,
) -> None:
    """A table has the columns that its schema needs; in the message they are called as in its `header`.

    Raises:
        InputError: naming those that are missing, and those that are there.
    """
    needed = _needed(schema)
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        what = f"column '{missing[0]}' is" if len(missing) == 1 else f"columns {_listed(missing)} are"
        names = ",".join(f"{name}=NAME" for name in missing)
        remedy = "" if columns is None else f"; is it there by another name, give --columns {names}"
        raise InputError(
            f"{source}: {what} missing; the columns needed are {', '.join(needed)}, it has "
            f"{_listed(list(frame.columns if header is None else header))}{remedy}"
        )


def _first_failure(cases: pd.DataFrame) -> str:
    coercion = cases["check"].str.startswith("coerce_dtype")
    # What follows from a column that could not be made numbers says nothing new.
    unread = cases["column"].isin(cases.loc[coercion, "column"])
    cases = cases[coercion | ~unread].sort_values("index", kind="stable")
    case, rows = cases.iloc[0], cases["index"].nunique()
    more = f" ({rows} rows are wrong)" if rows > 1 else ""
    row = "" if pd.isna(case["index"]) else f"row {int(case['index']) + 2}, "
    return f"{row}column '{case['column']}': {_complaint(case)}{more}; correct it, or leave the row out, and run again"


def _complaint(case: pd.Series) -> str:
    value = case["failure_case"]
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, str) and pd.isna(value):
        return "the cell is empty"
    if case["check"] == "field_uniqueness":
        return f"{value!r} stands there a second time"
    if case["check"].startswith("coerce_dtype"):
        return f"{value!r} is not {'a number' if 'str' not in case['check'] else 'a text'}"
    return f"{value!r} is not {case['check']}"
