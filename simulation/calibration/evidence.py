"""A log as calibration sees it: numbers by row, and in words what in the log cannot be used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.catalog import EVERYONE, Catalog, Creative, Product
from ..data.errors import InputError
from ..data.log_format import read_log
from ..data.log_sample import sampled_log
from ..data.open_bandit import OpenBanditLog
from ..data.personal import refuse_named_users

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NOT_NEEDED = ("propensity", "text", "creative_id")
"""Columns that calibration can do without, here and there or altogether."""


@dataclass(frozen=True)
class Evidence:
    """n impression-slots in order of time, as numbers into the names beside them."""

    catalog: Catalog
    """Products of the log, with its texts as reference ads."""
    users: int
    """U; who they are is not kept."""
    segments: tuple[str, ...]
    channels: tuple[str, ...]
    segment_of: Ints
    """[U]."""
    user: Ints
    channel: Ints
    position: Ints
    product: Ints
    text: Ints
    """[n] index into the catalog's ads, -1 for none."""
    clicked: Floats
    hours: Floats | None
    """[n] since the first row; None where the log's times cannot be compared."""
    clock: Floats | None
    """[n] hour of the day, UTC."""
    converted: Floats | None
    """[n], 0 or 1; None where conversions are not logged."""
    delay_hours: Floats | None
    """[n], NaN where there is no conversion."""
    query: NDArray[np.object_] | None
    """[n] what was looked for, None for nothing."""
    read_at: float | None = None
    """Hours at which the log was read, taken for those of its last row or conversion: later ones are not in it."""
    notes: tuple[str, ...] = field(default=())
    """What cannot be fitted or was left out, and why."""

    def __len__(self) -> int:
        return len(self.clicked)

    def rows(self, keep: NDArray[np.bool_] | Ints) -> "Evidence":
        """Part of the rows; names stay."""
        named = ("user", "channel", "position", "product", "text", "clicked", "hours", "clock")
        names = (*named, "converted", "delay_hours", "query")
        parts = {name: None if getattr(self, name) is None else getattr(self, name)[keep] for name in names}
        return Evidence(**{**vars(self), **parts})

    @property
    def slots(self) -> int:
        """Positions, L."""
        return int(self.position.max()) + 1


def read_evidence(
    path: str | Path, catalog: Catalog | None, columns: Mapping[str, str] | None = None, seed: int = 0
) -> Evidence:
    """Reads a log for calibration: as much of it as is of use.

    Args:
        path: a log, see `read_log`, or a folder of one, see `sampled_log`; propensities and some texts may be missing.
        catalog: the products; made up from the log where there is none.
        columns: the file's names of columns by our own, where they differ.
        seed: draws users of a folder that does not fit into memory.

    Raises:
        InputError: see `read_log` and `refuse_named_users`; also a log with no clicks, or nothing but clicks: nothing
            can be learned.
    """
    notes: list[str] = []
    if Path(path).is_dir():
        frame, left_out = sampled_log(Path(path), catalog, seed=seed, without=NOT_NEEDED, columns=columns)
        notes += [left_out] if left_out else []
    else:
        frame = read_log(path, catalog, without=NOT_NEEDED, columns=columns)
    refuse_named_users(frame, str(path))
    if "propensity" not in frame or frame.propensity.isna().any():
        notes.append("no propensities in some rows: the fit does not need them, evaluating other policies does")
    if catalog is None:
        notes.append("no catalog: products are known by their id alone, with no category and no price")
        catalog = Catalog([Product(name, name, "all", 1.0) for name in frame.product_id.drop_duplicates()])
    if not frame.timestamp.is_monotonic_increasing:
        notes.append("rows are out of order: they were put in order of time")
    frame = frame.sort_values("timestamp", kind="stable", ignore_index=True)
    hours, clock = _times(frame.timestamp)
    converted, delay = _conversions(frame, notes)
    text, catalog = _texts(frame, catalog, notes)
    user, users = pd.factorize(frame.user_id)
    if "user_segment" in frame:
        segment, segments = pd.factorize(frame.user_segment.groupby(frame.user_id, sort=False).first())
    else:
        notes.append("no user_segment: all users are one segment")
        segment, segments = np.zeros(len(users), dtype=np.int64), [EVERYONE]
    channel, channels = pd.factorize(frame.channel)
    query = frame.get("context_query")
    if query is None:
        notes.append("no context_query: what visitors looked for is not known, and its effect not fitted")
    elif query.notna().any():
        query = query.astype(object).where(query.notna(), None)
    evidence = Evidence(
        catalog,
        len(users),
        tuple(map(str, segments)),
        tuple(map(str, channels)),
        np.asarray(segment),
        np.asarray(user),
        np.asarray(channel),
        frame.position.to_numpy(np.int64),
        np.array([catalog.index[name] for name in frame.product_id]),
        text,
        frame.clicked.to_numpy(np.float64),
        hours,
        clock,
        converted,
        delay,
        None if query is None else query.to_numpy(),
        _read_at(hours, delay),
        tuple(notes),
    )
    return _usable(evidence, str(path))


def _read_at(hours: Floats, delay: Floats | None) -> float:
    """A log that holds conversions which came after its last row was read later: no earlier than the last of them."""
    came = hours if delay is None else hours + np.nan_to_num(delay)
    return float(max(hours[-1], came.max()))


def evidence_of_open_bandit(log: OpenBanditLog, source: str) -> Evidence:
    """Evidence of the Open Bandit Dataset: items without texts, users known by four features.

    Users of the same four features count as one; items are products of the category `item_feature_1`.
    """
    kind = log.item_features["item_feature_1"].astype(str)
    short = {value: f"kind {i + 1}" for i, value in enumerate(dict.fromkeys(kind))}
    products = [Product(f"item {i}", f"item {i}", short[value], 1.0) for i, value in enumerate(kind)]
    user, users = pd.factorize(log.user_features.astype(str).agg("|".join, axis=1))
    segment, segments = pd.factorize(log.user_features["user_feature_0"].groupby(user).first())
    clock = (log.timestamp.astype("datetime64[s]").astype(np.int64) % 86_400) / 3600
    notes = (
        "no texts: the effect of texts is not fitted",
        "no conversions: they are the scenario's",
        "items are shown one at a time: the world shows them in slates, slot by slot as the log's positions",
        "users are known by four features only: fatigue is not fitted",
    )
    n = len(log)
    evidence = Evidence(
        Catalog(products),
        len(users),
        tuple(f"segment {i + 1}" for i in range(len(segments))),
        ("site",),
        np.asarray(segment),
        np.asarray(user),
        np.zeros(n, dtype=np.int64),
        log.position,
        log.item,
        np.full(n, -1),
        log.click.astype(np.float64),
        None,
        clock,
        None,
        None,
        None,
        None,
        notes,
    )
    return _usable(evidence, source)


def _usable(evidence: Evidence, source: str) -> Evidence:
    clicks = evidence.clicked.sum()
    if clicks in (0, len(evidence)):
        said = "no row is clicked" if clicks == 0 else "every row is clicked"
        raise InputError(f"{source}: {said}, so nothing can be learned of clicks; give a log with both")
    if evidence.slots == 1:
        notes = (*evidence.notes, "one position only: the world has one slot")
        return Evidence(**{**vars(evidence), "notes": notes})
    return evidence


def _times(times: pd.Series) -> tuple[Floats, Floats]:
    """Hours since the first row, and hours of the day."""
    hours = (times - times.min()).dt.total_seconds().to_numpy() / 3600
    clock = (times.dt.hour + times.dt.minute / 60 + times.dt.second / 3600).to_numpy()
    return hours, clock


def _conversions(frame: pd.DataFrame, notes: list[str]) -> tuple[Floats | None, Floats | None]:
    if "converted" not in frame:
        notes.append("no conversions: they are the scenario's")
        return None, None
    converted = frame.converted.to_numpy(np.float64)
    delay = frame.get("conversion_delay_s")
    if delay is None or not delay[converted == 1].notna().all():
        notes.append("conversions without a delay: the delay is the scenario's")
        return converted, None
    return converted, np.where(converted == 1, delay.to_numpy(np.float64) / 3600, np.nan)


def _texts(frame: pd.DataFrame, catalog: Catalog, notes: list[str]) -> tuple[Ints, Catalog]:
    if "text" not in frame or frame.text.isna().all():
        notes.append("no texts: the effect of texts is not fitted")
        return np.full(len(frame), -1), catalog
    blank = frame.text.isna() | (frame.text.astype(str).str.strip() == "")
    if blank.any():
        notes.append(f"{blank.mean():.0%} of rows have no text: they tell of all but texts")
    code, names = pd.factorize(pd.MultiIndex.from_frame(frame[["product_id", "text"]]))
    ads = [Creative(str(product), "" if pd.isna(text) else str(text)) for product, text in names]
    kept = [i for i, ad in enumerate(ads) if ad.text.strip()]
    number = np.full(len(ads), -1)
    number[kept] = np.arange(len(kept))
    return number[code], catalog.with_ads([ads[i] for i in kept])
