"""Reading tables that people bring: one clear line when something is wrong with them."""

from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors


class InputError(ValueError):
    """Bad input from a user: its message is one line that names the file, the row and the remedy."""


def read_table(path: str | Path, schema: pa.DataFrameSchema, what: str) -> pd.DataFrame:
    """Reads a CSV (plain or gzip) or Parquet table and checks it against a schema.

    Args:
        path: the file; `.parquet` is read as Parquet, anything else as CSV.
        schema: the pandera schema; it also coerces types.
        what: what the table is, for the messages ("catalog", "log", "A/B archive").

    Raises:
        InputError: the file is missing, unreadable, empty, or breaks the schema; nothing is dropped or guessed.
    """
    frame = _load(Path(path), what)
    if frame.empty:
        raise InputError(f"{path}: the {what} has no rows; add at least one")
    return check_table(frame, schema, str(path))


def check_table(frame: pd.DataFrame, schema: pa.DataFrameSchema, source: str) -> pd.DataFrame:
    """Checks a table in memory; rows in messages are numbered as in a CSV file (the header is row 1)."""
    missing = [name for name, column in schema.columns.items() if column.required and name not in frame.columns]
    if missing:
        raise InputError(f"{source}: column '{missing[0]}' is missing; the columns needed are {', '.join(missing)}")
    try:
        return schema.validate(frame.reset_index(drop=True), lazy=True)
    except SchemaErrors as error:
        raise InputError(f"{source}: {_first_failure(error, frame)}") from None


def _load(path: Path, what: str) -> pd.DataFrame:
    if not path.is_file():
        reason = "is a directory, not a file" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {reason}; give the path of a {what} in CSV or Parquet")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; save the {what} as UTF-8") from None
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}: the file is empty; add a header and at least one row") from None
    except (pd.errors.ParserError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read as a table ({reason}); give CSV or Parquet") from None


def _first_failure(error: SchemaErrors, frame: pd.DataFrame) -> str:
    cases = error.failure_cases.sort_values("index", na_position="last", kind="stable")
    case = cases.iloc[0]
    more = f" (and {len(cases) - 1} more)" if len(cases) > 1 else ""
    column = case["column"] if case["column"] in frame.columns else case["failure_case"]
    row = "" if pd.isna(case["index"]) else f"row {int(case['index']) + 2}, "
    return f"{row}column '{column}': {case['failure_case']!r} breaks «{case['check']}»{more}; correct it and run again"
