"""Scores in order and in words."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
from numpy.typing import NDArray

from ...policies.compliance.filter import Compliance
from ...simulation.data.catalog import Creative
from ...simulation.data.columns import refuse_unmet
from ...simulation.data.errors import InputError
from ...simulation.data.log_folder import parquet_files
from ...simulation.data.tables import read_table
from ..analysis.drawing.formats import gain, percent

SHOWN = 12
"""Texts that the terminal lists."""


ORDER = ("test_id", "product_id", "audience", "text", "image", "about")
"""Columns that are scored, or told."""
COMPETING = ("test_id", "product_id", "audience")
"""Columns that say which texts are held against each other: those with the same in all that are there."""


def read_texts(
    source: Path,
    schema: pandera.DataFrameSchema,
    columns: Mapping[str, str],
    check: Callable[[pd.DataFrame, Path], pd.DataFrame] = lambda frame, source: frame,
) -> pd.DataFrame:
    """The texts of a table; or of a folder of Parquet files, a log perhaps, those that differ, file after file.

    Args:
        source: table or folder.
        schema: its columns; others are left out.
        columns: the files' names of columns by our own.
        check: of what a file has, refuses what cannot be scored.

    Raises:
        InputError: a file is no good, or a text stands twice in a table where it would compete with itself.
    """
    wanted = [name for name in ORDER if name in schema.columns]

    def read(file: Path) -> pd.DataFrame:
        frame = read_table(file, schema, "table of texts", columns)
        return check(frame[[name for name in wanted if name in frame]], file)

    if not source.is_dir():
        frame = read(source)
        refuse_unmet(columns, source)
        return refuse_repeated(frame, source)
    found: list[pd.DataFrame] = []
    for file in parquet_files(source):
        found.append(read(file).drop_duplicates())
        if set(found[-1]) != set(found[0]):
            raise InputError(f"{file}: has other columns of {', '.join(wanted)} than the files before; make them alike")
        found = [pd.concat(found).drop_duplicates()]
    refuse_unmet(columns, source)
    return found[0].reset_index(drop=True)


def competing(frame: pd.DataFrame) -> NDArray[np.int64]:
    """[n] number of what each text competes in."""
    names = [name for name in COMPETING if name in frame]
    return frame.groupby(names, sort=False).ngroup().to_numpy() if names else np.zeros(len(frame), dtype=np.int64)


def refuse_repeated(frame: pd.DataFrame, source: Path) -> pd.DataFrame:
    """The table, its rows numbered anew.

    Raises:
        InputError: a text stands twice where it would compete with itself.
    """
    names = [name for name in COMPETING if name in frame]
    twice = frame.duplicated([*names, *(name for name in ("text", "image") if name in frame)])
    if twice.any():
        row = frame.index[twice][0]
        where = "".join(f" of {name} '{frame[name][row]}'" for name in names)
        raise InputError(f"{source}: row {row + 2}: this text{where} stands twice; take one of them out")
    return frame.reset_index(drop=True)


def best_first(scores: pd.DataFrame, by: str) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Competing rows side by side, the best first; and the number of what each row competes in."""
    groups = competing(scores)
    order = np.lexsort((-scores[by].to_numpy(), groups))
    return scores.iloc[order].reset_index(drop=True), groups[order]


def refusing(compliance: Compliance, creatives: Sequence[Creative]) -> list[str]:
    """The rules that refuse each text, separated by semicolons; mostly none."""
    return ["; ".join(rules) for rules in compliance.refusing(creatives)]


def lines(scores: pd.DataFrame) -> list[str]:
    """A heading and the first texts, one on a line, for the terminal."""
    rows = [_told(row) for row in scores.head(SHOWN).to_dict("records")]
    words = "  | words that move it most" if "reasons" in scores and scores["reasons"].any() else ""
    heading = (
        f"{'lift':>8}  {'clicks':<9}  {'sales':<8}  text"
        if "ctr" in scores
        else f"{'lift, 95% interval':<27}  {'chance':<8}  text"
    )
    rows = [heading + words, *rows] if rows else []
    more = len(scores) - SHOWN
    return [*rows, *([f"... and {more:,} more"] if more > 0 else [])]


def _told(row: Mapping[str, Any]) -> str:
    why = f"  [{row['image']}]" if row.get("image") else ""
    why += f"  | {row['reasons']}" if row.get("reasons") else ""
    why += f"  refused: {row['refused']}" if row.get("refused") else ""
    if "ctr" in row:
        lift = "   alone" if pd.isna(row["lift"]) else f"{gain(row['lift']):>8}"
        return f"{lift}  CTR {percent(row['ctr'], 2)}  CVR {percent(row['cvr'], 1)}  {row['text']}{why}"
    interval = f"{gain(row['lift'])} ({gain(row['lift_low'])} to {gain(row['lift_high'])})"
    best = "   alone" if pd.isna(row["best"]) else f"best {percent(row['best'], 0):>3}"
    return f"{interval:<27}  {best}  {row['text']}{why}"
