"""Numbers as people and spreadsheets write them: decimal commas, thousands signs, percent and currency signs."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd

from ..errors import InputError

Decimal = Literal["point", "comma"]

MISSING = frozenset(("", "-", "--", "—", "–", "na", "n/a", "#n/a", "nan", "null", "none", "<na>"))
"""How tables say, in lower case, that there is no number; in columns of texts these are words like any others."""

_POINT = re.compile(r"[+-]?(?:\d+|[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}|(?=\.))(?:\.\d*)?(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(?:\d+|[1-9]\d{0,2}(?:\.\d{2,3})*\.\d{3}|(?=,))(?:,\d*)?(?:[eE][+-]?\d+)?")
_SPACED = re.compile(r"(?<=\d)[ '’](?=\d{3}(?!\d))")
_MONEY = re.compile(r"^(?:[€$£¥₹]|[A-Z]{3}(?= ))\s*|\s*(?:[€$£¥₹]|(?<= )[A-Z]{3})$")
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2}(?:[.,]\d{3})+")
"""1.250 and 1,250: a fraction to some, thousands to others."""


def is_missing(texts: pd.Series) -> pd.Series:
    """Which cells of a column of numbers say that there is none."""
    return texts.isna() | texts.astype(object).map(
        lambda text: isinstance(text, str) and text.strip().lower() in MISSING
    )


def read_numbers(
    frame: pd.DataFrame, names: Iterable[str], counts: Collection[str], separator: str, source: str
) -> tuple[pd.DataFrame, list[str]]:
    """Turns columns of texts into float64; what is no number stays as it is, for the check to name.

    One decimal sign holds for the whole table: that with which all of its numbers can be read and counts are whole.

    Args:
        frame: its index counts rows, see `read_table`.
        names: columns of numbers; those that hold no texts stay.
        counts: those among them that are whole by nature.
        separator: of the table's columns: where it is a comma, commas in doubt are thousands.
        source: the file, for messages.

    Returns:
        The table, and what had to be understood.

    Raises:
        InputError: a number that can be read in two ways, or percent signs here and there in a column.
    """
    texts = {name: _tidy(frame[name]) for name in names if not pd.api.types.is_numeric_dtype(frame[name])}
    plain = {name: pd.to_numeric(values, errors="coerce") for name, values in texts.items()}
    if all(_as_stands(texts[n], plain[n], n in counts, separator) for n in texts):
        return frame.assign(**{name: values.astype(np.float64) for name, values in plain.items()}), []
    read = {sign: {n: _read(texts[n], sign) for n in texts} for sign in ("point", "comma")}
    fits = {sign: all(_fits(texts[n], columns[n], n in counts) for n in texts) for sign, columns in read.items()}
    if all(fits.values()) and separator != ",":
        _refuse_doubt(texts, read["point"], read["comma"], source)
    sign: Decimal = (
        "comma" if not fits["point"] and (fits["comma"] or _better(read["comma"], read["point"])) else "point"
    )
    said = [f"decimal {sign}"] if any(values.str.contains(r"[.,]").any() for values in texts.values()) else []
    for name in texts:
        frame, percent = _placed(frame, name, texts[name], read[sign][name], source)
        said += [f"percent signs in '{name}'"] if percent else []
    return frame, said


def _tidy(column: pd.Series) -> pd.Series:
    """Texts without spaces around them; nothing where there is no number; true and false as 1 and 0."""
    texts = column.astype(object).where(~is_missing(column), None)
    words = texts.dropna().astype(str).str.strip()
    if len(words) and words.str.lower().isin(("true", "false")).all():
        words = words.str.lower().map({"true": "1", "false": "0"})
    return words.reindex(column.index).astype("str")


def _as_stands(texts: pd.Series, plain: pd.Series, count: bool, separator: str) -> bool:
    """Whether a column needs no thought: plain numbers, with no point that may be a thousands sign."""
    if (plain.isna() & texts.notna()).any() or (count and not (plain.dropna() % 1 == 0).all()):
        return False
    return separator == "," or not texts.str.fullmatch(_EITHER.pattern).fillna(False).any()


def _read(texts: pd.Series, sign: Decimal) -> pd.Series:
    parse: Callable[[str], float] = partial(parse_number, sign=sign)
    known = {text: parse(text) for text in texts.dropna().unique()}
    return texts.map(known).astype(np.float64)


def parse_number(text: str, sign: Decimal) -> float:
    """One number, by its decimal sign; percent as a share, NaN for what is no number.

    >>> parse_number("1.234,5 €", "comma"), parse_number("12 %", "point")
    (1234.5, 0.12)
    """
    text = unicodedata.normalize("NFKC", text).strip().replace("\u2212", "-")
    percent = text.endswith("%")
    text = _MONEY.sub("", text.removesuffix("%").strip())
    text = _SPACED.sub("", text)
    if text.lower().lstrip("+-") in ("inf", "infinity"):
        return float(text)
    if not (_POINT if sign == "point" else _COMMA).fullmatch(text) or not any(c.isdigit() for c in text):
        return float("nan")
    other, own = (",", ".") if sign == "point" else (".", ",")
    return float(text.replace(other, "").replace(own, ".")) / (100 if percent else 1)


def _fits(texts: pd.Series, values: pd.Series, count: bool) -> bool:
    return bool((values.notna() | texts.isna()).all() and (not count or (values.dropna() % 1 == 0).all()))


def _better(one: dict[str, pd.Series], other: dict[str, pd.Series]) -> bool:
    return sum(values.count() for values in one.values()) > sum(values.count() for values in other.values())


def _refuse_doubt(
    texts: dict[str, pd.Series], point: dict[str, pd.Series], comma: dict[str, pd.Series], source: str
) -> None:
    for name, values in texts.items():
        differ = (point[name] != comma[name]) & values.notna()
        if differ.any():
            row, text = values.index[differ][0], values[differ].iloc[0]
            one, two = sorted((point[name][row], comma[name][row]))
            raise InputError(
                f"{source}: row {row + 2}, column '{name}': '{text}' may be {one:.6g} or {two:.6g}, and no other "
                "number tells; write numbers without thousands signs"
            )


def _placed(
    frame: pd.DataFrame, name: str, texts: pd.Series, values: pd.Series, source: str
) -> tuple[pd.DataFrame, bool]:
    """Puts numbers in place of texts, and says whether they are percent."""
    signed = texts.str.rstrip().str.endswith(("%", "％")).fillna(False).astype(bool)
    bare = ~signed & texts.notna() & (values != 0)
    if signed.any() and bare.any():
        row = bare.index[bare][0]
        raise InputError(
            f"{source}: row {row + 2}, column '{name}': '{texts[row]}' has no percent sign and others have; write all "
            "in one way"
        )
    failed = values.isna() & texts.notna()
    column = values if not failed.any() else values.astype(object).where(~failed, texts.astype(object))
    return frame.assign(**{name: column}), bool(signed.any())
