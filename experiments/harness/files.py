"""The files of a run directory, written whole; read with one line where they are damaged."""

import csv
import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ...simulation.data.errors import InputError
from ...simulation.data.files import parse_json, read_checked, write_whole
from ...simulation.data.strict_yaml import read_strict_yaml

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that spreadsheets run."""
_OURS = re.compile(r"\.lock|\..+\.tmp")
"""Names of what is left where a command was broken off before it wrote anything whole."""
REMEDY = "the run may have been broken off; give the directory of a finished run"


def new_folder(out: Path | None, command: str) -> Path:
    """Where a command's results go, which it has still to make: by default a new folder under runs/.

    Raises:
        InputError: it is in use.
    """
    if out is None:
        usual = Path("runs") / time.strftime(f"{command}-%Y%m%d-%H%M%S")
        # It is there where another began in the same second, or the clock was set back.
        return next(path for path in _numbered(usual) if not path.exists())
    if out.exists() and not (out.is_dir() and all(_OURS.fullmatch(path.name) for path in out.iterdir())):
        raise InputError(f"{out}: is there already and not empty; choose another --out, or move it away")
    return out


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    yield from (path.with_name(f"{path.name}-{number}") for number in count(2))


def own_name(given: object) -> str:
    """What a file is called where something is handed on: by its name, as where it lay is nobody's business.

    What is no path of a file here, such as the name of a model or a scenario, stays as it is.
    """
    path = Path(str(given))
    return path.name if path.is_absolute() or path.exists() else str(given)


def write_text(path: Path, text: str) -> None:
    """Writes a text, in UTF-8."""
    write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Writes JSON that people can read. NaN stands for a figure that is not known, which JSON calls null."""
    write_text(path, json.dumps(_nan_to_null(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_yaml(path: Path, value: Any) -> None:
    """Writes YAML in the order of the mapping."""
    write_text(path, yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def write_table(path: Path, table: pd.DataFrame, index_label: str | None = None) -> None:
    """Writes CSV or Parquet, by the name; the index only where it is given a label.

    In CSV a text that holds a carriage return stands in quotes: without them, it would be read as two rows. A text that
    a spreadsheet would take for a formula has a single quote before it (`harmless`), which `load_table` takes off.
    """
    index = index_label is not None
    if path.suffix == ".parquet":
        write_whole(path, lambda beside: table.to_parquet(beside, index=index))
    else:
        table = table.assign(**harmless(table))
        texts = table.select_dtypes(["object", "string"])
        returns = any(texts[name].astype("string").str.contains("\r").any() for name in texts)
        quoting = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
        write_whole(path, lambda beside: table.to_csv(beside, index=index, index_label=index_label, quoting=quoting))


def read_json(path: Path) -> dict[str, Any]:
    """Reads JSON that holds settings or figures by name.

    Raises:
        InputError: no such file, or one that is torn or of another kind.
    """
    return _mapping(path, read_checked(path, lambda file: parse_json(file.read_text(encoding="utf-8")), REMEDY))


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads YAML that holds settings by name.

    Raises:
        InputError: no such file, or one that is torn or of another kind.
    """
    return _mapping(path, read_checked(path, read_strict_yaml, REMEDY))


def load_table(path: Path, columns: Sequence[str] = (), **options: Any) -> pd.DataFrame:
    """Reads CSV or Parquet that a run left, by its name.

    Args:
        path: of the table.
        columns: that have to be in it.
        options: for pandas.

    Raises:
        InputError: no such file, one that is torn, or columns are missing.
    """
    reader: Any = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
    table: pd.DataFrame = read_checked(path, lambda file: reader(file, **options), REMEDY)
    table = table if path.suffix == ".parquet" else table.assign(**as_meant(table))
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}; {REMEDY}")
    return table


def harmless(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Columns of texts, those that begin as formulas do with a single quote before them (OWASP, CSV injection)."""
    return {name: column.map(_quoted, na_action="ignore") for name, column in _texts(table)}


def as_meant(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Columns of texts without the quotes that `harmless` set; a text that was written with one loses it too."""
    return {name: column.map(_unquoted, na_action="ignore") for name, column in _texts(table)}


def _texts(table: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    return [(str(name), column) for name, column in table.select_dtypes(["object", "string"]).items()]


def _quoted(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _unquoted(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and value[:1] == "'" and value[1:].startswith(_FORMULA) else value


def _nan_to_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _nan_to_null(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_to_null(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _mapping(path: Path, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no names with values, it is of another kind; {REMEDY}")
    return found
