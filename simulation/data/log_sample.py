"""A log that outgrows memory, of which whole users are kept: as many as fit."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from .catalog import Catalog
from .log_folder import read_log_folder
from .log_format import refuse_other_channels
from .personal import tell_personal

MOST_ROWS = 1_000_000
"""Rows that are kept at most."""


def sampled_log(
    folder: Path,
    catalog: Catalog | None = None,
    *,
    seed: int = 0,
    without: Collection[str] = (),
    columns: Mapping[str, str] | None = None,
    channels: Collection[str] | None = None,
) -> tuple[pd.DataFrame, str | None]:
    """Reads a folder, all of which is checked, and keeps the rows of a part of its users, drawn by their names.

    All users stay where all rows fit into `MOST_ROWS`; else half of them, a quarter, and so on.

    Args:
        folder: see `read_log_folder`.
        catalog: its products, where they are known.
        seed: another one draws other users.
        without: columns that the reader can do without.
        columns: the files' names of columns by our own, where they differ.
        channels: those of the world, where it has its own.

    Returns:
        The rows as `read_log` has them, and in words what was left out, None if nothing was.

    Raises:
        InputError: see `read_log_folder` and `read_log`.
    """
    kept: list[pd.DataFrame] = []
    share, rows, total, key = 1.0, 0, 0, f"{seed:016d}"[-16:]
    for source, frame in read_log_folder(folder, without=without, columns=columns):
        total += len(frame)
        if catalog is not None:
            catalog.check_known(frame.product_id, source)
        if channels is not None:
            refuse_other_channels(frame, source, channels)
        drawn = pd.util.hash_pandas_object(frame.user_id, index=False, hash_key=key) / 2.0**64
        kept.append(frame.assign(drawn=drawn.to_numpy())[drawn.to_numpy() < share])
        rows += len(kept[-1])
        while rows > MOST_ROWS:
            share /= 2
            kept = [part[part.drawn < share] for part in kept]
            rows = sum(map(len, kept))
    frame = pd.concat(kept, ignore_index=True).drop(columns="drawn")
    if catalog is not None and "image_id" in frame:
        frame["image_id"] = catalog.checked_images(frame, "image_id", str(folder))
    if "text" in frame:
        tell_personal(frame.text, folder.name)
    if share == 1:
        return frame, None
    return frame, (
        f"{total - rows:,} of {total:,} rows: the fit is to {share:.3%} of users, drawn by --seed, with all that they "
        "saw; intervals are as wide as so few make them"
    )
