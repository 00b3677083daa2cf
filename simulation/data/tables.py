"""Reading tables that people bring: one clear line when something is wrong with them."""

import gzip
import warnings
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandas.api.types import is_string_dtype
from pandera.errors import SchemaErrors

from .errors import InputError

not_blank = pa.Check(lambda text: text.str.strip() != "", error="a text with something in it")
finite = pa.Check(lambda number: np.isfinite(number), error="a finite number")
whole = pa.Check(lambda number: number % 1 == 0, error="a whole number")


def read_table(path: str | Path, schema: pa.DataFrameSchema, what: str) -> pd.DataFrame:
    """Reads a CSV (plain or gzip) or Parquet table and checks it against a schema.

    Args:
        path: the file; `.parquet` is read as Parquet, anything else as CSV.
        schema: the pandera schema; it also coerces types. Its text columns are read as they stand (`007` stays `007`).
        what: what the table is, for the messages ("catalog", "log", "A/B archive").

    Raises:
        InputError: the file is missing, unreadable, empty, or breaks the schema; nothing is dropped or guessed.
    """
    frame = _load(Path(path), schema, what)
    if frame.empty:
        raise InputError(f"{path}: the {what} has no rows; add at least one")
    return check_table(frame, schema, str(path))


def check_table(frame: pd.DataFrame, schema: pa.DataFrameSchema, source: str) -> pd.DataFrame:
    """Checks a table in memory; rows in messages are numbered as in a CSV file (the header is row 1)."""
    needed = [name for name, column in schema.columns.items() if column.required]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise InputError(f"{source}: column '{missing[0]}' is missing; the columns needed are {', '.join(needed)}")
    try:
        return schema.validate(frame.reset_index(drop=True), lazy=True)
    except SchemaErrors as error:
        raise InputError(f"{source}: {_first_failure(error.failure_cases)}") from None


def _load(path: Path, schema: pa.DataFrameSchema, what: str) -> pd.DataFrame:
    if not path.is_file():
        reason = "is a directory, not a file" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {reason}; give the path of a {what} in CSV or Parquet")
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path, schema)
    except UnicodeDecodeError:
        raise InputError(f"{path}: row {_undecodable_row(path)}: not UTF-8; save the {what} as UTF-8") from None
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}: the file is empty; add a header and at least one row") from None
    except pd.errors.ParserWarning:
        raise InputError(f"{path}: rows have more fields than the header has names; quote fields with commas") from None
    except (pd.errors.ParserError, OSError, EOFError, zlib.error, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read as a table ({reason}); give CSV or Parquet") from None


def _read_csv(path: Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
    texts = {name: str for name, column in schema.columns.items() if is_string_dtype(column.dtype.type)}
    with warnings.catch_warnings():
        # With `index_col=False` pandas would cut fields off that have no name, and only warn.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(path, encoding="utf-8", dtype=texts, index_col=False, low_memory=False)


def _undecodable_row(path: Path) -> int:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return next((row for row, line in enumerate(file, start=1) if "\ufffd" in line.decode(errors="replace")), 1)


def _first_failure(cases: pd.DataFrame) -> str:
    coercion = cases["check"].str.startswith("coerce_dtype")
    # What follows from a column that could not be made numbers says nothing new.
    unread = cases["column"].isin(cases.loc[coercion, "column"])
    cases = cases[coercion | ~unread].sort_values("index", kind="stable")
    case, rows = cases.iloc[0], cases["index"].nunique()
    more = f" ({rows} rows are wrong)" if rows > 1 else ""
    row = "" if pd.isna(case["index"]) else f"row {int(case['index']) + 2}, "
    return f"{row}column '{case['column']}': {_complaint(case)}{more}; correct it and run again"


def _complaint(case: pd.Series) -> str:
    value = case["failure_case"]
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, str) and pd.isna(value):
        return "is missing"
    if case["check"] == "field_uniqueness":
        return f"{value!r} stands there a second time"
    if case["check"].startswith("coerce_dtype"):
        return f"{value!r} is not {'a number' if 'str' not in case['check'] else 'a text'}"
    return f"{value!r} is not {case['check']}"
