"""What looks like a person's own in texts that are to be public: addresses, telephone numbers, long numbers."""

import re
from collections.abc import Iterator

import pandas as pd

from .errors import InputError, understood

PATTERNS = {
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "a telephone number": re.compile(
        r"(?<![\w.,])(?:(?:\+|00)\d(?:[ ()./-]{0,2}\d){6,13}|0\d(?:[ ()/-]{0,2}\d){6,12}"
        r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[ .-]\d{3}[ .-]\d{4})(?![\w])"
    ),
    "a long number": re.compile(r"(?<![\w.,])(?:\d{7,}|\d{4}(?:[ -]\d{4}){2,}|\d(?:[ -]\d){5,})(?![\w])"),
}
"""By what is found: an address; an international, a national or a North American telephone number; seven digits or
more in a row, groups of four as on a card, or six digits or more one by one."""
GROUPS = 5
"""Segments, of which more than half have one user each, from which on they are taken for names of users."""


def personal(text: str) -> Iterator[tuple[str, str]]:
    """What in a text looks personal: what it is, and how it stands there; nothing is given twice.

    >>> list(personal("Call 030 1234567 or write to anna@shop.example"))
    [('an e-mail address', 'anna@shop.example'), ('a telephone number', '030 1234567')]
    """
    taken: list[tuple[int, int]] = []
    for what, pattern in PATTERNS.items():
        for match in pattern.finditer(text):
            start, end = match.span()
            if all(end <= first or start >= last for first, last in taken):
                taken.append((start, end))
                yield what, match[0]


def tell_personal(texts: pd.Series, source: str) -> None:
    """Says in one line, see `understood`, how many rows hold what looks personal, and which is the first of them.

    The rows are read all the same: an ad may well give the shop's own number. The line does not repeat what was found.

    Args:
        texts: its index counts rows as `read_table` leaves it; what is missing is passed over.
        source: the file.
    """
    given = texts.dropna().astype(str)
    found = {text: kinds for text in given.unique() if (kinds := [what for what, _ in personal(text)])}
    if not found:
        return
    rows = given.index[given.isin(list(found))]
    kinds = ", ".join(kind for kind in PATTERNS if any(kind in kinds for kinds in found.values()))
    understood.info(
        "%s: texts that look personal (%s) in %s row%s, the first is row %s: texts are learned from and shipped; "
        "take out what is not the shop's own",
        source,
        kinds,
        f"{len(rows):,}",
        "" if len(rows) == 1 else "s",
        int(rows[0]) + 2,
    )


def refuse_named_users(log: pd.DataFrame, source: str) -> None:
    """Refuses segments that are users by another name: they would stand in prompts, models and reports.

    Args:
        log: with `user_id` and perhaps `user_segment`.
        source: its file.

    Raises:
        InputError: more than half of at least `GROUPS` segments have a single user.
    """
    if "user_segment" not in log:
        return
    users = log.groupby("user_segment").user_id.nunique()
    alone = int((users == 1).sum())
    if len(users) >= GROUPS and 2 * alone > len(users):
        raise InputError(
            f"{source}: column 'user_segment': {alone:,} of {len(users):,} segments have one user each, so they name "
            "users; give groups of users, or leave the column out"
        )
