"""Times as people write them: ISO 8601, seconds or milliseconds since 1970, day and month in either order."""

import re
import unicodedata

import numpy as np
import pandas as pd

from ..errors import InputError

REMEDY = "write times as in ISO 8601, such as 2026-11-27T12:00:00Z"

_UNITS = ((1e8, 1e11, "s"), (1e11, 1e14, "ms"), (1e14, 1e17, "us"), (1e17, 9e18, "ns"))
"""From, to: what a number since 1970 counts, for years after 1973."""
_PARTS = re.compile(
    r"(?P<date>.*?\d{2,4}(?![\d:])|.*?\d{2,4}(?=\s))(?:[T,\s]\s*(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)"
    r"\s*(?P<half>[ap]\.?m\.?)?)?\s*(?P<zone>z|utc|gmt|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_NUMBERS = {
    "%d.%m.%Y": r"\d{1,2}\.\d{1,2}\.\d{4}",
    "%d.%m.%y": r"\d{1,2}\.\d{1,2}\.\d{2}",
    "%d/%m/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%m/%d/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%d-%m-%Y": r"\d{1,2}-\d{1,2}-\d{4}",
    "%m-%d-%Y": r"\d{1,2}-\d{1,2}-\d{4}",
    "%d/%m/%y": r"\d{1,2}/\d{1,2}/\d{2}",
    "%m/%d/%y": r"\d{1,2}/\d{1,2}/\d{2}",
    "%Y/%m/%d": r"\d{4}/\d{1,2}/\d{1,2}",
    "%Y.%m.%d": r"\d{4}\.\d{1,2}\.\d{1,2}",
    "%Y-%m-%d": r"\d{4}-\d{1,2}-\d{1,2}",
}
_WORDS = ("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%d-%b-%Y", "%d/%b/%Y")


def read_times(column: pd.Series, source: str) -> tuple[pd.Series, list[str]]:
    """A column of texts as times in UTC; times without a zone are taken as UTC.

    Args:
        column: texts; its name and index (see `read_table`) are for messages.
        source: the file.

    Returns:
        datetime64[ns, UTC], and what had to be understood.

    Raises:
        InputError: a value that is no time, day and month that may be either way round in the whole column, or times
            with and without a zone.
    """
    texts = column.astype(str).str.strip()
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().all() and (found := _since_1970(numbers)) is not None:
        return found
    kinds = texts.map(lambda text: bool(re.search(r"(?:z|utc|gmt|:\d{2}(?:[.,]\d+)?\s*[+-]\d{2}:?\d{2})$", text, re.I)))
    iso = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
    # A bare number reads as a year, which nobody means in a log.
    iso = iso.where(numbers.isna() | texts.str.fullmatch(r"(?:19|20)\d{6}"))
    times, said = (iso, []) if iso.notna().all() else _by_format(texts, iso, column, source)
    if kinds.nunique() > 1:
        row = kinds.index[kinds != kinds.iloc[0]][0]
        there, first = ("a", "none") if kinds[row] else ("no", "one")
        raise InputError(
            f"{source}: row {row + 2}, column '{column.name}': '{column[row]}' has {there} time zone and the first row "
            f"has {first}; {REMEDY}"
        )
    return _in_nanoseconds(times, column, source), said


def _in_nanoseconds(times: pd.Series, column: pd.Series, source: str) -> pd.Series:
    # Of 64 bits, which hold nanoseconds from 1678 to 2261.
    far = ~times.dt.year.between(1678, 2261)
    if far.any():
        row = far.index[far][0]
        raise InputError(
            f"{source}: row {row + 2}, column '{column.name}': '{column[row]}' is not in 1678 to 2261; {REMEDY}"
        )
    return times.astype("datetime64[ns, UTC]")


def _since_1970(numbers: pd.Series) -> tuple[pd.Series, list[str]] | None:
    for low, high, unit in _UNITS:
        if numbers.abs().between(low, high, inclusive="left").all():
            whole = numbers.round().astype(np.int64)
            exact = whole if (whole == numbers).all() else numbers
            said = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}[unit]
            return pd.to_datetime(exact, unit=unit, utc=True).astype("datetime64[ns, UTC]"), [
                f"times in {said} since 1970"
            ]
    return None


def _by_format(texts: pd.Series, iso: pd.Series, column: pd.Series, source: str) -> tuple[pd.Series, list[str]]:
    """Times by the one way of writing dates that fits all of the column."""
    plain = texts.map(_plain)
    parts = plain.str.extract(rf"^{_PARTS.pattern}$", flags=re.IGNORECASE)
    fitting, best = {}, iso
    for way in (*_NUMBERS, *_WORDS):
        found = _dates(parts["date"], way)
        if found.notna().all():
            fitting[way] = found
        elif found.count() > best.count():
            best = found
    if not fitting:
        row = best.index[best.isna()][0]
        own = parts["date"].loc[[row]]
        alone = pd.notna(iso[row]) or any(_dates(own, way).notna().all() for way in (*_NUMBERS, *_WORDS))
        why = "is written in another way than the other times" if alone else "is not a time that can be read"
        raise InputError(f"{source}: row {row + 2}, column '{column.name}': '{column[row]}' {why}; {REMEDY}")
    way, dates = next(iter(fitting.items()))
    for other, different in fitting.items():
        if not (different == dates).all():
            row = dates.index[different != dates][0]
            raise InputError(
                f"{source}: row {row + 2}, column '{column.name}': '{column[row]}' may be {dates[row]:%Y-%m-%d} or "
                f"{different[row]:%Y-%m-%d}, and no row tells day from month; {REMEDY}"
            )
        del other
    clock = _clock(parts, column, source)
    return (dates + clock).dt.tz_localize("UTC"), [f"dates as {_said(way)}"]


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).strip()
    text = re.sub(r"\s*日\s*", " ", re.sub(r"\s*[年月]\s*", "-", text))
    # Commas and day names do not tell dates apart.
    return re.sub(r"\s+", " ", re.sub(r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+", "", text, flags=re.I)).strip()


def _dates(dates: pd.Series, way: str) -> pd.Series:
    words = dates.str.replace(",", " ").str.replace(r"\s+", " ", regex=True).str.strip()
    if way in _NUMBERS:
        words = words.where(words.str.fullmatch(_NUMBERS[way]).fillna(False).astype(bool))
    return pd.to_datetime(words, format=way, errors="coerce")


def _clock(parts: pd.DataFrame, column: pd.Series, source: str) -> pd.Series:
    """Time of day less the zone's offset."""
    time = parts["time"].fillna("0:00").str.replace(",", ".")
    clock = time.str.extract(r"(\d+):(\d+)(?::([\d.]+))?").astype(np.float64).fillna(0.0)
    half = parts["half"].str.lower().str.replace(".", "")
    wrong = (clock[0] > np.where(half.isna(), 23, 12)) | (clock[1] > 59) | (clock[2] >= 60)
    if wrong.any():
        row = wrong.index[wrong][0]
        raise InputError(
            f"{source}: row {row + 2}, column '{column.name}': '{column[row]}' is not a time that can be read; {REMEDY}"
        )
    hours = clock[0].where(half.isna(), clock[0] % 12 + 12 * (half == "pm"))
    zone = parts["zone"].str.extract(r"([+-])(\d{2}):?(\d{2})")
    offset = (zone[1].astype(np.float64) * 60 + zone[2].astype(np.float64)) * np.where(zone[0] == "-", -1, 1)
    minutes = hours * 60 + clock[1] - offset.fillna(0.0)
    return pd.to_timedelta((minutes * 60 + clock[2]).mul(1e6).round().astype(np.int64), unit="us")


def _said(way: str) -> str:
    names = {"%d": "day", "%m": "month", "%b": "month", "%B": "month", "%Y": "year", "%y": "year"}
    return re.sub(r"%[a-zA-Z]", lambda found: names[found[0]], way)
