"""Names of columns: as a file has them, as the formats have them, and other names that the user gives."""

import csv
import io
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from .errors import InputError


def _one_line(given: object) -> object:
    if not isinstance(given, Mapping):
        return given
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([f"{own}={other}" for own, other in given.items()])
    return line.getvalue()


ColumnNames = Annotated[str, BeforeValidator(_one_line)]
"""Other names of columns, `text=Headline,clicked=Clicks`; in YAML a mapping too."""


class Names(dict[str, str]):
    """Other names of columns by our own; remembers which of them a file had."""

    def __init__(self, *given: Any) -> None:
        """As a dict."""
        super().__init__(*given)
        self.met: set[str] = set()

    def meet(self, header: Collection[str]) -> None:
        """A file has these columns."""
        self.met |= {own for own, other in self.items() if any(name in header for name in alternatives(other))}


def alternatives(other: str) -> list[str]:
    """The names that a column may have, where files name it differently: `Artikel-Nr|SKU`."""
    return [other, *other.split("|")] if "|" in other else [other]


def parse_columns(given: str) -> Names:
    """`text=Headline,clicked=Clicks` -> {"text": "Headline", "clicked": "Clicks"}; names with commas go in quotes, and
    between names that several files have for one column goes a bar.

    Raises:
        InputError: a part without `=`, or a name given twice.
    """
    pairs = Names()
    try:
        parts = next(csv.reader([given]), [])
    except csv.Error as error:
        raise InputError(f"--columns {given}: {error}; write text=Headline,clicked=Clicks") from None
    for part in parts:
        own, equals, other = (word.strip() for word in part.partition("="))
        if not (own and equals and other):
            raise InputError(f"--columns {given}: '{part}' is no pair; write text=Headline,clicked=Clicks")
        if own in pairs or other in pairs.values():
            twice = own if own in pairs else other
            raise InputError(f"--columns {given}: '{twice}' is given twice; give it once, or {own}=A|B for two files")
        pairs[own] = other
    return pairs


FREE = ("user_", "context_")
"""Columns of logs that may be of any name after this; numbers where all of their values are."""
_OF_TABLES = """
about attributes audience brand category channel clickability_test_id clicked clicks context_query conversion_delay_s
conversions converted cost creative_id description excerpt eyecatcher_id group headline image image_id images
impression_id impressions lede position price product_id propensity revenue share test_id test_week text timestamp title
user_id user_segment
"""
ANYWHERE = frozenset(_OF_TABLES.split())
"""Columns that the table of some command has."""


def read_here(columns: Mapping[str, str], known: Collection[str], user_columns: bool = False) -> Names:
    """Those names that are of a command's tables; one list of names, written once, serves all commands.

    Args:
        columns: other names by our own.
        known: columns that the command's tables have.
        user_columns: whether it also reads `user_*` and `context_*`.

    Raises:
        InputError: a name is not of any command's tables.
    """
    for name in columns:
        if name not in known and name not in ANYWHERE and not name.startswith(FREE):
            raise InputError(f"--columns {name}=...: no table has a column '{name}'; known are {', '.join(known)}")
    return Names(
        (name, other) for name, other in columns.items() if name in known or (user_columns and name.startswith(FREE))
    )


def refuse_unmet(columns: Mapping[str, str], *files: object) -> None:
    """After all files were read: a name that none of them has is refused, rather than ignored.

    Args:
        columns: as `parse_columns` makes them and `read_table` was given them; others are not known to be met or not.
        files: that were read.

    Raises:
        InputError: naming it.
    """
    if not isinstance(columns, Names):
        return
    for own, other in columns.items():
        if own not in columns.met:
            where = ", ".join(str(file) for file in files if file is not None)
            raise InputError(f"{where}: --columns {own}={other}: no column '{other}'; correct the name")


def canonical(header: list[str], known: Collection[str], columns: Mapping[str, str]) -> list[str]:
    """The names of a header as the formats have them; what is not known stays.

    A given name counts first, then our own, then our own in another spelling (`Product ID` for `product_id`).
    """
    header = [str(name).strip().strip("\ufeff").strip() for name in header]
    given = {name: own for own, other in columns.items() for name in alternatives(other)}
    plain = {_plain(name): name for name in known}
    return [given.get(name) or (name if name in known else plain.get(_plain(name), name)) for name in header]


def refuse_repeated(header: list[str], names: list[str], source: str) -> None:
    """Two columns of one name are refused: which is meant is not ours to guess.

    Raises:
        InputError: naming both.
    """
    places: dict[str, int] = {}
    for i, name in enumerate(names):
        if not name:
            continue
        if name in places:
            first, second = (f"column {k + 1} ('{header[k].strip()}')" for k in (places[name], i))
            raise InputError(f"{source}: {first} and {second} are both '{name}'; rename or remove one of them")
        places[name] = i


def _plain(name: str) -> str:
    return re.sub(r"[\s\-.]+", "_", name.strip().casefold())
