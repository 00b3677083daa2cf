"""What a report is made of: sections with text, plots, tables and texts side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from .plots import Plot
from .run_files import RunFiles


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is the row's header."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    prose: bool = False
    """Cells are sentences, which wrap and stand on the left."""


@dataclass(frozen=True)
class Pair:
    """What both writers wrote for one prompt."""

    product: str
    audience: str
    untuned: Mapping[str, Any]
    """A row of creatives.parquet."""
    tuned: Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """A part of the report: what it says, and what it shows."""

    title: str
    text: Sequence[str] = ()
    alarms: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    pairs: Sequence[Pair] = ()
    code: str = ""
    """Commands, to be copied."""
    folded: Mapping[str, str] = field(default_factory=dict)
    """Long plain text by title, folded away."""

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return "-".join(self.title.lower().split())


def told_by(key: str) -> Callable[[Callable[[RunFiles, Any], Section | None]], Callable[[RunFiles], Section | None]]:
    """Makes a section of what summary.json says under a key; there is none where it says nothing."""

    def of(make: Callable[[RunFiles, Any], Section | None]) -> Callable[[RunFiles], Section | None]:
        @wraps(make)
        def section(run: RunFiles) -> Section | None:
            found = run.summary.get(key)
            return make(run, found) if found else None

        return section

    return of
