"""From tables of logged impressions to a `Log`: names become numbers, block by block, and are sorted at the end."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ....simulation.data.columns import FREE
from ....simulation.data.errors import InputError
from ....simulation.data.spool import Arrays, Spool
from ....simulation.visitors.traffic import Impressions
from . import logged
from .contexts import Contexts
from .groupings import Groupings
from .logged import Codes, Log, Logged
from .numbered import Numbered
from .propensities import Kind, Propensities

SEGMENTS = 100
"""Segments that the reward model tells apart at most; it has a rate for each, in every slot, for every creative."""
NOT_NEEDED = ("product_id", "text")
"""Columns of a log that off-policy evaluation can do without."""


def logged_frame(frame: pd.DataFrame, source: str, kind: Kind, agents: bool = True, groups: Sequence[str] = ()) -> Log:
    """A log in Copybandit's format that is in memory, in any order; see `build`."""
    order = np.lexsort([frame.position, pd.factorize(frame.impression_id)[0]])
    return build([(source, frame.iloc[order])], source, kind, agents, groups, on_disk=False)


def build(
    frames: Iterable[tuple[str, pd.DataFrame]],
    source: str,
    kind: Kind,
    agents: bool,
    groups: Sequence[str] = (),
    *,
    on_disk: bool,
) -> Log:
    """A log in Copybandit's format.

    Args:
        frames: files and rows of them, see `read_log_folder`.
        source: file or folder, for messages.
        kind: what its propensities are of.
        agents: whether some will look at visits; else what they see is left out.
        groups: columns by which users are told apart.
        on_disk: whether what is kept of it may outgrow memory.

    Raises:
        InputError: impressions of different lengths, propensities that cannot sum to one, or a column for groups that
            is not there or has too many values.
    """
    builder = _Builder(source, agents, groups, on_disk)
    for frame in _blocks_of(frames, users=bool(groups)):
        builder.add(frame)
    return builder.built(kind)


def _blocks_of(frames: Iterable[tuple[str, pd.DataFrame]], users: bool) -> Iterator[pd.DataFrame]:
    """Rows of `BLOCK` impressions each, and of the rest."""
    slots, waiting, rows = 0, [], 0
    for source, table in frames:
        frame = _needed(table, users)
        slots = slots or _most_slots(frame)
        _refuse_odd(frame, slots, source)
        size = logged.BLOCK * slots
        waiting, rows = [*waiting, frame], rows + len(frame)
        while rows >= size:
            whole = pd.concat(waiting, ignore_index=True) if len(waiting) > 1 else waiting[0]
            yield whole.iloc[:size]
            waiting, rows = [whole.iloc[size:]], rows - size
    if rows:
        yield pd.concat(waiting, ignore_index=True) if len(waiting) > 1 else waiting[0]


def _needed(frame: pd.DataFrame, users: bool) -> pd.DataFrame:
    used = {"impression_id", "position", "creative_id", "propensity", "clicked", "converted", "timestamp", "channel"}
    return frame[
        [name for name in frame if name in used or (str(name).startswith(FREE) and (users or name != "user_id"))]
    ]


def _starts(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Rows at which impressions begin, and where the last ends."""
    first = frame.impression_id != frame.impression_id.shift()
    return np.append(np.flatnonzero(first.to_numpy()), len(frame))


def _most_slots(frame: pd.DataFrame) -> int:
    return int(np.diff(_starts(frame)).max())


def _refuse_odd(frame: pd.DataFrame, slots: int, source: str) -> None:
    starts = _starts(frame)
    odd = np.flatnonzero(np.diff(starts) != slots)
    if odd.size:
        name, found = frame.impression_id.iloc[starts[odd[0]]], int(np.diff(starts)[odd[0]])
        raise InputError(
            f"{source}: row {frame.index[starts[odd[0]]] + 2}: impression '{name}' has {found} slots, others {slots}; "
            "give a log of slates of one length: the visits with as many slots, each number by itself"
        )


class _Builder:
    """A log being read; see `build`."""

    def __init__(self, source: str, agents: bool, groups: Sequence[str], on_disk: bool) -> None:
        self._source, self._on_disk = source, on_disk
        self._spool = Spool(on_disk)
        self._creatives, self._channels, self._segments = Numbered(), Numbered(), Numbered(SEGMENTS)
        self._contexts, self._groupings = Contexts(agents), Groupings(groups, source)
        self._told: Propensities | None = None
        self._pairs: set[tuple[int, int]] = set()
        self._impressions, self._slots, self._first_ns = 0, 0, np.iinfo(np.int64).max

    def add(self, frame: pd.DataFrame) -> None:
        """A block; rows of whole impressions of one length."""
        slots = self._slots = self._slots or _most_slots(frame)
        n, top = len(frame) // slots, frame.iloc[::slots]
        creative = self._creatives.codes(frame.creative_id).reshape(n, slots)
        propensity = frame.propensity.to_numpy(np.float64).reshape(n, slots)
        told = Propensities.of(propensity, creative)
        self._told = told if self._told is None else self._told + told
        channel = self._channels.codes(top.channel)
        segment = self._segments.codes(top.user_segment) if "user_segment" in top else np.zeros(n, dtype=np.int32)
        both = np.flatnonzero(np.bincount(channel * (SEGMENTS + 1) + segment))
        self._pairs |= {divmod(int(pair), SEGMENTS + 1) for pair in both}
        time = top.timestamp.astype("datetime64[ns, UTC]").astype(np.int64).to_numpy()
        self._first_ns = min(self._first_ns, int(time.min()))
        self._impressions += n
        self._spool.append(
            creative=creative,
            propensity=propensity,
            clicked=frame.clicked.to_numpy(bool).reshape(n, slots),
            converted=_flags(frame, "converted").reshape(n, slots),
            channel=channel,
            segment=segment,
            time=time,
            **self._contexts.see(top),
            **self._groupings.see(top),
        )

    def built(self, kind: Kind) -> Log:
        """The log, when all of it was added."""
        assert self._told is not None
        names, place = self._creatives.ordered()
        slots, notes, groups = self._slots, self._contexts.notes(), self._groupings.names()
        self._told.check(len(names), self._source, kind)
        uniform = self._told.uniform(len(names)) and kind == "given-above"
        same = slots == 1 or uniform
        channels, channel_place = self._channels.ordered()
        if self._segments.too_many:
            notes.append(f"user_segment has more than {SEGMENTS} values: the reward model tells channels alone apart.")
        context = self._context(channel_place)

        def blocks() -> Iterator[Logged]:
            for kept in self._spool:
                propensity = kept["propensity"]
                own = propensity if kind == "in-slot" or same else None
                channel = channel_place[kept["channel"]]
                yield Logged(
                    creative=place[kept["creative"]],
                    clicked=kept["clicked"],
                    converted=kept["converted"],
                    in_slot=np.full_like(propensity, 1 / len(names)) if uniform else own,
                    given_above=propensity if kind == "given-above" or same else None,
                    context=context[kept["channel"], 0 if self._segments.too_many else kept["segment"]],
                    place=np.zeros(len(channel), dtype=np.int64),
                    impressions=self._visits(kept, channel),
                    group=self._groupings.groups(kept),
                    user=self._groupings.clusters(kept),
                )

        return Log(
            source=self._source,
            names=names,
            slots=slots,
            impressions=self._impressions,
            contexts=int(context.max()) + 1,
            channels=len(channels),
            width=self._contexts.width,
            tells_in_slot=kind == "in-slot" or same,
            tells_given_above=kind == "given-above" or same,
            unit="an impression" if slots == 1 else f"an impression of {slots} slots",
            blocks=blocks,
            notes=tuple(notes),
            groups=groups,
            on_disk=self._on_disk,
        )

    def _context(self, channel_place: Codes) -> Codes:
        """[channels, segments] what the reward model tells apart, by the numbers as they came; -1 where none was."""
        if self._segments.too_many:
            return channel_place[:, None]
        segments = self._segments.ordered()[1] if self._segments.ordered()[0] else np.zeros(1, dtype=np.int64)
        found = np.full((len(channel_place), len(segments)), -1, dtype=np.int64)
        ordered = sorted(self._pairs, key=lambda pair: (channel_place[pair[0]], segments[pair[1]]))
        for code, pair in enumerate(ordered):
            found[pair] = code
        return found

    def _visits(self, kept: Arrays, channel: Codes) -> Impressions:
        """What agents see; users are not told apart."""
        n = len(channel)
        nobody = torch.zeros(n, dtype=torch.int64)
        hours = torch.from_numpy((kept["time"] - self._first_ns) / 3.6e12)
        context = torch.from_numpy(self._contexts.read(kept, n))
        return Impressions(nobody, torch.from_numpy(channel), nobody - 1, hours, context)


def _flags(frame: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    return frame[name].to_numpy(bool) if name in frame else np.zeros(len(frame), dtype=bool)
