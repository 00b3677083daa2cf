"""The log format and its checks: one set for every command. What a command can do without may be missing, what is there
must be right.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from .catalog import UNKNOWN, Catalog
from .errors import InputError, understood
from .personal import tell_personal
from .reading.times import read_times
from .tables import FREE, finite, not_blank, read_table, whole

_flag = pa.Check.isin([0, 1], error="0 or 1")


def _text(required: bool = True) -> pa.Column:
    return pa.Column(str, not_blank, required=required, coerce=True)


def _amount(check: pa.Check) -> pa.Column:
    return pa.Column(float, check, nullable=True, required=False, coerce=True)


# Whole numbers are read as floats and checked, because a cast to int would cut 0.5 down to 0 without a word.
LOG_SCHEMA = pa.DataFrameSchema(
    {
        "impression_id": _text(),
        "timestamp": _text(),
        "user_id": _text(),
        "channel": _text(),
        "position": pa.Column(float, [whole, pa.Check.ge(0, error="a position of zero or more")], coerce=True),
        "product_id": _text(),
        "creative_id": _text(),
        "text": _text(),
        "propensity": pa.Column(float, pa.Check.in_range(0, 1, include_min=False, error="in (0, 1]"), coerce=True),
        "clicked": pa.Column(float, _flag, coerce=True),
        "converted": pa.Column(float, _flag, required=False, coerce=True),
        "conversion_delay_s": _amount(pa.Check.ge(0, error="a delay of zero or more")),
        "revenue": _amount(finite),
        "cost": _amount(finite),
        "user_segment": pa.Column(str, not_blank, nullable=True, required=False, coerce=True),
        "image_id": pa.Column(str, nullable=True, required=False, coerce=True),
        "context_query": pa.Column(str, nullable=True, required=False, coerce=True),
    },
    strict=False,
)


def schema_without(names: Collection[str]) -> pa.DataFrameSchema:
    """The log format where some columns, or cells of them, may be missing."""
    return LOG_SCHEMA.update_columns({name: {"required": False, "nullable": True} for name in names})


def checked_log(frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[str]]:
    """What no column shows by itself.

    Args:
        frame: of `LOG_SCHEMA`, its index as `read_table` leaves it.
        source: the file, for messages.

    Returns:
        The log with times in UTC and positions from 0, and what had to be understood.

    Raises:
        InputError: a conversion without a click; a time that is none; an impression-slot given twice, slots that leave
            one out, or an impression of two users, two channels or times that run backwards; an infinite context.
    """
    frame = frame.astype({name: int for name in ("position", "clicked", "converted") if name in frame})
    refuse_unclicked(frame, source)
    said: list[str] = []
    if unnamed := name_segments(frame):
        said.append(f"{unnamed:,} rows with no user_segment as '{UNKNOWN}'")
    if "timestamp" in frame and frame.timestamp.notna().any():
        times, told = read_times(frame.timestamp.dropna(), source)
        said += told
        frame["timestamp"] = times.reindex(frame.index)
    refuse_infinite(frame, source)
    refuse_twice(frame, source)
    if frame.position.min() == 1:
        frame["position"] -= 1
        said.append("positions from 1 on")
    refuse_gaps(frame, source)
    refuse_torn(frame, source)
    return frame, said


def name_segments(frame: pd.DataFrame) -> int:
    """Gives visitors with an empty `user_segment` the segment `unknown`, in place; returns how many rows that were."""
    if "user_segment" not in frame or not (empty := frame.user_segment.isna()).any():
        return 0
    frame["user_segment"] = frame.user_segment.fillna(UNKNOWN)
    return int(empty.sum())


def refuse_unclicked(frame: pd.DataFrame, source: str) -> None:
    """A conversion needs a click."""
    if "converted" in frame:
        _refuse_row(frame, (frame.converted == 1) & (frame.clicked == 0), source, "converted without a click")


def refuse_infinite(frame: pd.DataFrame, source: str) -> None:
    """What is known of a visit is finite, or missing."""
    for name in frame.columns:
        if str(name).startswith(FREE) and pd.api.types.is_float_dtype(frame[name]):
            _refuse_row(frame, np.isinf(frame[name]), source, f"column '{name}' is infinite")


def refuse_twice(frame: pd.DataFrame, source: str) -> None:
    """An impression-slot is one row."""
    twice = frame.duplicated(["impression_id", "position"])
    if twice.any():
        row = frame[twice].iloc[0]
        raise InputError(
            f"{source}: row {row.name + 2}: impression '{row.impression_id}' has position {row.position} a second "
            "time; keep one row an impression-slot"
        )


def _refuse_row(frame: pd.DataFrame, wrong: pd.Series, source: str, why: str) -> None:
    if wrong.any():
        raise InputError(f"{source}: row {frame.index[wrong][0] + 2}: {why}; correct the row")


def refuse_gaps(frame: pd.DataFrame, source: str) -> None:
    """Slots of an impression are 0 to L - 1: one that is left out was seen, and is not known."""
    gap = frame.position >= frame.groupby("impression_id", sort=False).position.transform("size")
    if gap.any():
        row = frame[gap].iloc[0]
        there = sorted(frame.position[frame.impression_id == row.impression_id])
        lacking = next(slot for slot in range(row.position) if slot not in there)
        raise InputError(
            f"{source}: row {row.name + 2}: impression '{row.impression_id}' has position {row.position} and none "
            f"of {lacking}, counted from 0; log every slot that was shown, numbered from 0 or from 1 without gaps"
        )


def refuse_torn(frame: pd.DataFrame, source: str) -> None:
    """An impression is one user in one channel at one time, or down the slots later and later."""
    several = frame[frame.position.groupby(frame.impression_id, sort=False).transform("size") > 1]
    ordered = several.sort_values(["impression_id", "position"], kind="stable")
    same = ordered.impression_id == ordered.impression_id.shift()
    for name in ("user_id", "channel"):
        other = same & (ordered[name] != ordered[name].shift())
        if name in ordered and other.any():
            row, before = ordered[other].iloc[0], ordered[name].shift()[other].iloc[0]
            told = f"{name} '{row[name]}' here and '{before}' in the slot above"
            if name == "user_id":  # is not repeated: what is printed is kept in more places than the log is
                told = "another user_id than in the slot above"
            raise InputError(
                f"{source}: row {row.name + 2}: impression '{row.impression_id}' has {told}; give every impression an "
                "id of its own"
            )
    if "timestamp" in ordered and isinstance(ordered.timestamp.dtype, pd.DatetimeTZDtype):
        back = same & (ordered.timestamp < ordered.timestamp.shift())
        if back.any():
            row = ordered[back].iloc[0]
            raise InputError(
                f"{source}: row {row.name + 2}: time runs backwards in impression '{row.impression_id}': slot "
                f"{row.position} is earlier than the slot above; correct the times"
            )


def refuse_other_channels(frame: pd.DataFrame, source: str, channels: Collection[str]) -> None:
    """Refuses rows of a channel that is not among those of the world."""
    if (known := frame.channel.isin(list(channels))).all():
        return
    row = frame[~known].iloc[0]
    raise InputError(
        f"{source}: row {row.name + 2}: channel '{row.channel}' is not in the world, which has "
        f"{', '.join(channels)}; correct it, or let `copybandit calibrate --logs {source}` fit a world with your "
        "channels, and give that as --scenario in place of your files"
    )


def read_log(
    path: str | Path,
    catalog: Catalog | None = None,
    *,
    without: Collection[str] = (),
    channels: Collection[str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Reads a log, one row an impression-slot: the one reader, with one set of checks, for every command.

    Args:
        path: the file, see `read_table`.
        catalog: its products, where they are known.
        without: columns that the reader can do without: all or some of their cells may be missing.
        channels: those of the world, where it has its own.
        columns: the file's names of columns by our own, where they differ.

    Returns:
        The log; times in UTC, positions from 0 whether the file counts from 0 or from 1.

    Raises:
        InputError: see `read_table` and `checked_log`; also a product that `catalog` lacks, or a channel that is not
            among `channels`.
    """
    frame = read_table(path, schema_without(without), "log", columns)
    frame, said = checked_log(frame, str(path))
    if catalog is not None:
        catalog.check_known(frame.product_id, str(path))
        if "image_id" in frame:
            frame["image_id"] = catalog.checked_images(frame, "image_id", str(path))
    if channels is not None:
        refuse_other_channels(frame, str(path), channels)
    if "text" in frame:
        tell_personal(frame.text, Path(path).name)
    if said:
        understood.info("%s: read with %s", Path(path).name, ", ".join(said))
    return frame
