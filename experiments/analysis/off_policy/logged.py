"""Logs as off-policy evaluation reads them: who saw what in which slot, with which probability, and what it earned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ....simulation.data.errors import InputError
from ....simulation.data.open_bandit import OpenBanditLog, read_open_bandit
from ....simulation.visitors.traffic import Impressions
from ..statistics.bootstrap import Array
from .contexts import contexts_of

Codes = NDArray[np.int64]
ROUNDED = 1e-3
"""What rounding may take off the sum of probabilities."""
SEEN = 5
"""A creative seen less often may have others beside it that were not seen at all: their number is not known."""
SEGMENTS = 100
"""Segments that the reward model tells apart at most; it has a rate for each, in every slot, for every creative."""
GROUPS, GROUPED = 30, ("user_", "context_")
"""Groups of users at most, and what columns that may tell them apart begin with, beside the channel."""
NOT_NEEDED = ("product_id", "text")
"""Columns of a log that off-policy evaluation can do without."""
Kind = Literal["given-above", "in-slot"]


@dataclass(frozen=True)
class Logged:
    """n impressions of L slots."""

    source: str
    names: tuple[str, ...]
    """Of the K creatives."""
    creative: Codes
    """[n, L]."""
    clicked: NDArray[np.bool_]
    """[n, L]."""
    converted: NDArray[np.bool_]
    """[n, L]."""
    in_slot: Array | None
    """[n, L] probability of each creative in its slot, whatever stands above; None if the log does not tell."""
    given_above: Array | None
    """[n, L] probability of each creative given the slots above; None if the log does not tell."""
    context: Codes
    """[n] what the reward model tells apart, from 0."""
    place: Codes
    """[n] what a fixed policy may depend on: the position in the Open Bandit Dataset, else 0."""
    impressions: Impressions
    """What agents see; n of them."""
    unit: str
    """What a figure is counted by."""
    notes: tuple[str, ...] = ()
    """What in the log was not taken as it stands."""
    group: Codes | None = None
    """[n, groupings] to which groups of users each impression belongs, where groups are asked for."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By grouping: the names of its groups."""

    def __len__(self) -> int:
        return len(self.creative)

    def rows(self, where: NDArray[np.int64]) -> "Logged":
        """Some of the impressions."""
        given = {name: value[where] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        kept: dict[str, Any] = vars(self) | given | {"impressions": self.impressions[torch.as_tensor(where)]}
        return Logged(**kept)

    def reward(self, conversion_value: float = 0.0) -> Array:
        """[n, L] clicks, and conversions at their worth in clicks."""
        return self.clicked.astype(np.float64) + conversion_value * self.converted

    @property
    def slots(self) -> int:
        """L."""
        return self.creative.shape[1]

    @property
    def creatives(self) -> int:
        """K."""
        return len(self.names)

    @property
    def channels(self) -> int:
        """Channels, of which an agent knows how far down slots are looked at."""
        return int(self.impressions.channel.max()) + 1

    @property
    def width(self) -> int:
        """d, what agents see of a visit."""
        return self.impressions.context.shape[1]


def logged_frame(frame: pd.DataFrame, source: str, kind: Kind, groups: Sequence[str] = ()) -> Logged:
    """A log in Copybandit's format.

    Args:
        frame: see `read_log`.
        source: its file, for messages.
        kind: what its propensities are of: a creative in its slot given the slots above, as Copybandit logs them, or
            whatever stands above.
        groups: columns by which users are told apart.

    Raises:
        InputError: impressions of different lengths, propensities that cannot sum to one, or a column for groups that
            is not there or has too many values.
    """
    order = np.lexsort([frame.position, pd.factorize(frame.impression_id)[0]])
    frame = frame.iloc[order]
    sizes = frame.groupby("impression_id", sort=False).size()
    slots = int(sizes.max())
    odd = sizes.index[sizes != slots]
    if len(odd):
        raise InputError(
            f"{source}: impression '{odd[0]}' has {sizes[odd[0]]} slots, others {slots}; give a log of slates of one "
            "length"
        )
    n = len(sizes)
    group, of_groups = _groups(frame.iloc[::slots], groups, source)
    creative, names = pd.factorize(frame.creative_id, sort=True)
    top = frame.iloc[::slots]
    impressions, notes = _impressions(top)
    segment = _segment(top, notes)
    _, context = np.unique(np.stack([impressions.channel.numpy(), segment]), axis=1, return_inverse=True)
    propensity = frame.propensity.to_numpy(np.float64).reshape(n, slots)
    _check(propensity, creative, len(names), source, kind)
    uniform = np.allclose(propensity, 1 / (len(names) - np.arange(slots)), rtol=1e-4) and kind == "given-above"
    same = slots == 1 or uniform
    own = propensity if kind == "in-slot" or same else None
    return Logged(
        source=source,
        names=tuple(str(name) for name in names),
        creative=creative.reshape(n, slots).astype(np.int64),
        clicked=frame.clicked.to_numpy(bool).reshape(n, slots),
        converted=_flags(frame, "converted").reshape(n, slots),
        in_slot=np.full_like(propensity, 1 / len(names)) if uniform else own,
        given_above=propensity if kind == "given-above" or same else None,
        context=context.ravel().astype(np.int64),
        place=np.zeros(n, dtype=np.int64),
        impressions=impressions,
        unit="an impression" if slots == 1 else f"an impression of {slots} slots",
        notes=tuple(notes),
        group=group,
        groups=of_groups,
    )


def logged_open_bandit(directory: Path) -> Logged:
    """A folder of the Open Bandit Dataset: a row a decision, with its position as what is known of it.

    The three positions of one page come as rows of their own, with no mark of which belong together.
    """
    log: OpenBanditLog = read_open_bandit(directory)
    features = pd.get_dummies(log.user_features, dtype=np.float32).to_numpy()
    place = np.eye(log.positions, dtype=np.float32)[log.position]
    known = np.concatenate([np.ones((len(log), 1), np.float32), place, features], axis=1)
    nobody = torch.zeros(len(log), dtype=torch.int64)
    hours = (log.timestamp - log.timestamp[0]) / np.timedelta64(1, "h")
    propensity = log.propensity[:, None]
    _check(propensity, log.item, log.items, str(directory), "in-slot")
    return Logged(
        source=str(directory),
        names=tuple(str(item) for item in range(log.items)),
        creative=log.item[:, None],
        clicked=log.click[:, None].astype(bool),
        converted=np.zeros((len(log), 1), dtype=bool),
        in_slot=propensity,
        given_above=propensity,
        context=log.position,
        place=log.position,
        impressions=Impressions(nobody, nobody, nobody - 1, torch.as_tensor(hours), torch.as_tensor(known)),
        unit="a shown item",
    )


def _impressions(top: pd.DataFrame) -> tuple[Impressions, list[str]]:
    """What agents see, and notes on it; see `contexts_of`."""
    context, notes = contexts_of(top)
    times = pd.to_datetime(top.timestamp, utc=True, format="ISO8601")
    hours = (times - times.min()).dt.total_seconds() / 3600
    user, channel = (torch.tensor(pd.factorize(top[name], sort=True)[0]) for name in ("user_id", "channel"))
    nothing = torch.full_like(user, -1)
    return Impressions(user, channel, nothing, torch.tensor(hours.to_numpy()), torch.tensor(context)), notes


def _groups(top: pd.DataFrame, columns: Sequence[str], source: str) -> tuple[Codes | None, dict[str, tuple[str, ...]]]:
    """[n, groupings] groups of impressions, and the names of each grouping's."""
    codes, names = [], {}
    for column in columns:
        if column not in top:
            known = ", ".join(str(name) for name in top if name == "channel" or str(name).startswith(GROUPED))
            raise InputError(f"--groups {column}: no such column in {source}; it has {known}")
        values = top[column].astype("string").fillna("missing")
        code, found = pd.factorize(values, sort=True)
        if not 1 < len(found) <= GROUPS:
            raise InputError(
                f"--groups {column}: {len(found):,} values in {source}; give a column with 2 to {GROUPS} of them"
            )
        codes.append(code)
        names[column] = tuple(str(name) for name in found)
    return (np.stack(codes, 1).astype(np.int64) if codes else None), names


def _segment(top: pd.DataFrame, notes: list[str]) -> Codes:
    """[n] what the reward model tells apart beside the channel."""
    given = top["user_segment"] if "user_segment" in top else pd.Series("", top.index)
    if given.nunique() > SEGMENTS:
        notes.append(f"user_segment has {given.nunique():,} values: the reward model tells channels alone apart.")
        return np.zeros(len(top), dtype=np.int64)
    return pd.factorize(given, sort=True)[0].astype(np.int64)


def _flags(frame: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    return frame[name].to_numpy(bool) if name in frame else np.zeros(len(frame), dtype=bool)


def _check(propensity: Array, creative: Codes, creatives: int, source: str, kind: Kind) -> None:
    """Refuses propensities that cannot be those of one choice among the creatives.

    The mean of 1 / propensity of what was chosen is the number of creatives that could have been, at most all that
    were left. Propensities that sum to a share c of one make it 1 / c times as large.
    """
    n, slots = propensity.shape
    if np.bincount(creative.ravel(), minlength=creatives).min() < SEEN:
        return
    for slot in range(slots):
        left = creatives - (slot if kind == "given-above" else 0)
        inverse = 1 / propensity[:, slot]
        error = inverse.std() / np.sqrt(n)
        if inverse.mean() > left + 4 * error + ROUNDED * left:
            raise InputError(
                f"{source}: slot {slot + 1}: propensities would sum to {left / inverse.mean():.3f} over the {left} "
                "creatives to choose from, not to 1; log how likely each was chosen, given what stood above it"
            )
