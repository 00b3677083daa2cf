"""Lines of totals, as reports of platforms end with: they are told from rows, and never counted."""

import re
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

_WORDS = (
    r"(?:grand[\s-]*|sub[\s-]*)?total(?:s|es|e|i|en)?|(?:zwischen)?summe|gesamt(?:summe|ergebnis)?|insgesamt|totaal|somme"
    r"|suma|summa|razem|celkem|итого|всего|合计|总计|小计|總計|合計|小計|합계|총계|toplam"
)
_LABEL = re.compile(rf"\W*(?:{_WORDS})\s*(?:$|[:：(\-–—|].*|\s(?:for|of|all|de|von|aller?|für)\b.*)", re.IGNORECASE)
_NOTHING = frozenset(("", "-", "--", "—", "–", "*"))
_MOST = 1000
"""Rows without a name that are held against sums; more are no totals."""


def totals_lines(
    frame: pd.DataFrame, texts: Sequence[str], numbers: Sequence[str], counts: Collection[str]
) -> pd.Series:
    """Which rows are totals: no name, and a word that says so or the sums of the others; or a text that is such a word
    and counts no smaller than those beside it.

    Args:
        frame: numbers read.
        texts: columns that name what a row is of; the first is the widest.
        numbers: columns of numbers.
        counts: those that are summed.
    """
    none = pd.Series(False, frame.index)
    if not texts or len(texts) + len(numbers) < 2:
        return none
    label = pd.DataFrame({name: _matches(frame[name], _LABEL) for name in texts})
    nameless = label | pd.DataFrame({name: _nothing(frame[name]) for name in texts})
    candidates = nameless.any(axis=1)
    if not candidates.any():
        return none
    others = [name for name in frame if name not in numbers and name not in texts and not _numeric(frame[name])]
    said = label.any(axis=1)
    for name in others:
        said |= candidates & _matches(frame[name], _LABEL)
    found = nameless.all(axis=1) & said
    left = candidates & ~found
    if 0 < left.sum() <= _MOST:
        values = frame[list(numbers)].apply(pd.to_numeric, errors="coerce")
        for row in frame.index[left]:
            beside = _beside(frame, texts, nameless, candidates, row)
            found[row] = _is_sum(values.loc[row], values[beside], counts, bool(label.loc[row].any()))
    return found


def _beside(
    frame: pd.DataFrame, texts: Sequence[str], nameless: pd.DataFrame, candidates: pd.Series, row: int
) -> pd.Series:
    """The rows that a row would be the sum of: all others, or those that share the names that it has."""
    beside = ~candidates
    if not nameless.loc[row, texts[0]]:
        beside &= frame[texts[0]] == frame.loc[row, texts[0]]
    return beside


def _is_sum(row: pd.Series, others: pd.DataFrame, counts: Collection[str], labelled: bool) -> bool:
    given = row.dropna()
    if len(others) < 2 or not (given > 0).any():
        return False
    counted = [name for name in given.index if name in counts]
    same = {name: bool(np.isclose(given[name], others[name].sum(), rtol=1e-6)) for name in given.index}
    if all(same[name] for name in counted) and any(same.values()):
        return True
    return labelled and bool(counted) and all(given[name] >= others[name].max() for name in counted)


def _matches(column: pd.Series, pattern: re.Pattern[str]) -> pd.Series:
    return column.map(lambda text: isinstance(text, str) and pattern.fullmatch(text.strip()) is not None).astype(bool)


def _nothing(column: pd.Series) -> pd.Series:
    return column.isna() | column.map(lambda text: isinstance(text, str) and text.strip() in _NOTHING).astype(bool)


def _numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column)
