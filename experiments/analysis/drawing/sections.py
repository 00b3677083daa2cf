"""What a report is made of: sections with text, plots, tables and texts side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .plots import Plot


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
    folded: Mapping[str, str] = field(default_factory=dict)
    """Long plain text by title, folded away."""

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return "-".join(self.title.lower().split())
