"""What is logged of a visit, as numbers that an agent sees: of bounded width, and what is missing is told apart."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....simulation.text.encoder import TextEncoder

Numbers = NDArray[np.float32]

TOLD_APART = 32
"""Values of a column that get a number each; more are read as texts: a query a visit must not be a column a visit."""
WIDTH = 32
"""Numbers that a text is read into."""
BATCH = 65_536


def contexts_of(top: pd.DataFrame) -> tuple[Numbers, list[str]]:
    """A constant, the channel, and every `user_*` and `context_*` column but the user's id.

    Texts of few values are one-hot, of many they are hashed n-grams (`TextEncoder`); numbers and times are scaled to
    mean 0 and deviation 1. Where a value is missing the others are 0, and a column of its own is 1.

    Args:
        top: a row an impression.

    Returns:
        [n, d] float32, and notes on what was not taken as it stands.
    """
    free = [name for name in top if str(name).startswith(("user_", "context_")) and name != "user_id"]
    texts, numbers, notes = [], [], []
    for name in ["channel", *free]:
        column = top[name]
        if column.isna().all():
            continue
        if pd.api.types.is_datetime64_any_dtype(column):
            column = (column - column.min()).dt.total_seconds()
        if pd.api.types.is_numeric_dtype(column):
            numbers.append(_scaled(column))
        else:
            texts.append(_one_hot(column) if column.nunique() <= TOLD_APART else _read(column))
            if column.nunique() > TOLD_APART:
                notes.append(f"{name} has {column.nunique():,} values: they are read as texts, in {WIDTH} numbers.")
        if column.isna().any():
            numbers.append(column.isna().to_numpy(np.float32)[:, None])
            notes.append(f"{name} is missing in {column.isna().mean():.1%} of impressions: that is a value of its own.")
    return np.concatenate([np.ones((len(top), 1), np.float32), *texts, *numbers], axis=1, dtype=np.float32), notes


def _scaled(column: pd.Series) -> Numbers:
    values = column.astype(np.float64)
    spread = values.std(ddof=0)
    return ((values - values.mean()) / (spread if spread > 0 else 1.0)).fillna(0.0).to_numpy(np.float32)[:, None]


def _one_hot(column: pd.Series) -> Numbers:
    """[n, values], zeros where it is missing."""
    return pd.get_dummies(column.astype(str).where(column.notna()), dtype=np.float32).to_numpy()


def _read(column: pd.Series) -> Numbers:
    """[n, WIDTH], zeros where it is missing; every value is read once."""
    code, values = pd.factorize(column.astype(str).where(column.notna()))
    encoder = TextEncoder(dim=WIDTH)
    read = [encoder.encode(list(values[i : i + BATCH])).numpy() for i in range(0, len(values), BATCH)]
    return np.concatenate([*read, np.zeros((1, WIDTH), np.float32)])[code]
