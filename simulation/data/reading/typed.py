"""Columns of Parquet that are too long to be looked at as a whole: taken by their type, batch by batch."""

from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError
from .times import REMEDY

Kind = Literal["text", "number", "time", "nothing"]
_EXACT = 2**53
"""Whole numbers beyond it have lost digits as floats."""
_ZONED = r"(?i)(z|utc|gmt|:\d{2}([.,]\d+)?\s*[+-]\d{2}:?\d{2})\s*$"


def kind_of(kind: pa.DataType) -> Kind:
    """What a column of a type holds."""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if pa.types.is_null(kind):
        return "nothing"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return "number" if any(check(kind) for check in numbers) else "text"


def as_texts(column: pa.Array, name: str, row: int, source: str) -> pa.Array:
    """Texts as they are written; whole numbers that were stored as fractions are whole again.

    Args:
        column: of any type.
        name: of the column, for messages.
        row: in the file, of the first value.
        source: the file.

    Raises:
        InputError: fractions, or bytes that are no text.
    """
    column = _plain(column)
    if pa.types.is_floating(column.type):
        odd = pc.or_kleene(pc.not_equal(pc.floor(column), column), pc.greater(pc.abs(column), _EXACT))
        if (at := pc.index(odd, True).as_py()) >= 0:
            raise InputError(f"{source}: row {row + at}, column '{name}': {column[at]} is no name; write text")
        column = column.cast(pa.int64())
    try:
        return pc.cast(column, pa.large_string())
    except pa.ArrowInvalid as error:
        raise InputError(f"{source}: column '{name}': {str(error).splitlines()[0]}; write text in UTF-8") from None


def as_numbers(column: pa.Array) -> pa.Array:
    """Numbers as float64; true and false are 1 and 0."""
    column = _plain(column)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return column.cast(pa.float64(), safe=False)


def as_times(column: pa.Array, row: int, source: str, zoned: bool | None) -> tuple[pd.Series, bool | None]:
    """Times in UTC; without a zone they are taken as UTC.

    Args:
        column: timestamps, dates, or texts in ISO 8601.
        row: in the file, of the first value.
        source: the file, for messages.
        zoned: whether texts read before had a zone; None if there were none.

    Returns:
        datetime64[ns, UTC], and whether texts have a zone.

    Raises:
        InputError: a text that is no such time, or texts with and without a zone.
    """
    column = _plain(column)
    if kind_of(column.type) == "time":
        times = pd.Series(column.cast(pa.timestamp("ns", getattr(column.type, "tz", None))).to_pandas())
        times = times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
        return times.astype("datetime64[ns, UTC]"), zoned
    texts = as_texts(column, "timestamp", row, source)
    has_zone = pc.match_substring_regex(texts, _ZONED)
    zoned = next((found for found in (zoned, *has_zone.slice(0, 1).to_pylist()) if found is not None), None)
    if zoned is not None and (at := pc.index(has_zone, not zoned).as_py()) >= 0:
        there = "no" if zoned else "a"
        first = "others have one" if zoned else "others have none"
        raise InputError(
            f"{source}: row {row + at}, column 'timestamp': '{texts[at]}' has {there} time zone and {first}; {REMEDY}"
        )
    read = pd.Series(texts.to_pandas())
    times = pd.to_datetime(read, utc=True, format="ISO8601", errors="coerce")
    bad = (times.isna() & read.notna()) | read.str.fullmatch(r"\s*\d+\s*").fillna(False).astype(bool)
    if bad.any():
        at = int(bad.to_numpy().argmax())
        raise InputError(
            f"{source}: row {row + at}, column 'timestamp': '{texts[at]}' is not a time of a folder's, which are "
            f"timestamps or ISO 8601; {REMEDY}"
        )
    return times.astype("datetime64[ns, UTC]"), zoned


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
