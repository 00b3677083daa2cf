"""Tables of text: which sign stands between columns, and in which line the header is."""

import csv
import io
import re
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import pandas as pd

from ..errors import InputError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""Signs that may stand between columns, and what they are called; a comma is tried first."""

MOST_COLUMNS = 10_000
"""Of a table."""
LOOKED_AT = 40
"""Lines that the header is looked for in: exports have titles and dates above it."""


class Header(NamedTuple):
    """Where and how the names stand."""

    line: int
    """From 0."""
    separator: str
    names: list[str]


def find_header(text: str, needed: Sequence[Collection[str]], rename: Callable[[list[str]], list[str]]) -> Header:
    """The first line that holds all needed columns under one of the separators.

    Where none does, the line and separator that come nearest; where none has any, the first line.

    Args:
        text: the table.
        needed: columns; of several sets one will do.
        rename: a header's names as the formats have them.
    """
    lines = re.split(r"\r\n|\n|\r", text[: 2**20], maxsplit=LOOKED_AT)[:LOOKED_AT]
    best, nearest = (0.0, 0), Header(0, ",", [])
    for i, line in enumerate(lines):
        for separator in SEPARATORS:
            names = _split(line, separator)
            there = set(rename(names))
            share = max(len(there.intersection(columns)) / len(columns) for columns in needed)
            if share == 1:
                return Header(i, separator, names)
            score = (share, len(names) if i == 0 else 0)
            if score > best or not nearest.names:
                best, nearest = score, Header(i, separator, names)
    return nearest


def read_delimited(text: str, header: Header, source: str) -> pd.DataFrame:
    """The rows below the header, every cell a text, empty cells missing; columns are numbered.

    The index counts rows so that a label plus 2 is the row in the file, its first row being 1.

    Raises:
        InputError: rows with more fields than the header, a quotation mark that is not closed, a last row cut short.
    """
    width = len(header.names)
    if width > MOST_COLUMNS:
        raise InputError(
            f"{source}: {width:,} columns, at most {MOST_COLUMNS:,} are read; leave out what is not needed"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.StringIO(text),
                sep=header.separator,
                header=None,
                skiprows=header.line,
                dtype=str,
                keep_default_na=False,
                na_values=[""],
                skip_blank_lines=False,
            )
    except (pd.errors.ParserWarning, ValueError, OverflowError, MemoryError) as error:  # a ParserError is a ValueError
        raise InputError(f"{source}: {_said(str(error) or 'it is empty', header)}") from None
    if frame.shape[1] != width:
        raise InputError(
            f"{source}: row {header.line + 1}: the header has {width} names and its row {frame.shape[1]} fields; write "
            "every name on one line"
        )
    frame.index = frame.index + header.line - 1
    last = text[max(text.rfind("\r"), text.rfind("\n")) + 1 :]
    if last.strip() and len(frame) > 1 and (fields := len(_split(last, header.separator))) < width and width > 1:
        raise InputError(
            f"{source}: row {frame.index[-1] + 2}: {fields} of {width} fields and no end of line, as if the file was "
            "cut; bring all of it"
        )
    frame = frame.iloc[1:]
    return frame[frame.notna().any(axis=1)]


def _split(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _said(error: str, header: Header) -> str:
    if found := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", error):
        expected, line, saw = found.groups()
        return (
            f"row {int(line)}: {saw} fields where the header has {expected} names, separated by "
            f"{SEPARATORS[header.separator]}; quote fields that hold the separator"
        )
    if "EOF inside string" in error:
        row = re.search(r"row (\d+)", error)
        where = f"row {int(row[1]) + header.line + 1}: " if row else ""
        return f"{where}a quotation mark is opened and not closed; close it, or bring all of the file"
    return f"cannot be read as a table ({error.splitlines()[0]}); give CSV or Parquet"
