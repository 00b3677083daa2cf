"""Logs as off-policy evaluation reads them: who saw what in which slot, with which probability, and what it earned."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ....simulation.data.open_bandit import OpenBanditLog, read_open_bandit
from ....simulation.data.spool import Spool
from ....simulation.visitors.traffic import Impressions
from ..statistics.bootstrap import Array
from .propensities import Propensities

Codes = NDArray[np.int64]
BLOCK = 65_536
"""Impressions of a log that are looked at at once; what is drawn is drawn by block."""


@dataclass(frozen=True)
class Logged:
    """n impressions of L slots: a log, or a block of it."""

    creative: Codes
    """[n, L] from 0 to K - 1."""
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
    group: Codes | None = None
    """[n, groupings] to which groups of users each impression belongs, where groups are asked for."""
    user: Codes | None = None
    """[n] whose each is, where groups are asked for; many users are told apart by cluster alone."""

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


@dataclass(frozen=True)
class Log:
    """A log that may not fit into memory: its blocks, and what holds for all of them."""

    source: str
    names: tuple[str, ...]
    """Of the K creatives."""
    slots: int
    """L."""
    impressions: int
    contexts: int
    """S, what the reward model tells apart."""
    channels: int
    """Channels, of which an agent knows how far down slots are looked at."""
    width: int
    """d, what agents see of a visit."""
    tells_in_slot: bool
    """Whether it tells probabilities of creatives in their slots, whatever stands above."""
    tells_given_above: bool
    """Whether it tells probabilities of creatives given the slots above."""
    unit: str
    """What a figure is counted by."""
    blocks: Callable[[], Iterator[Logged]]
    """Of at most `BLOCK` impressions each, some perhaps of none; the same ones at every call."""
    places: int = 1
    """What fixed policies tell apart."""
    notes: tuple[str, ...] = ()
    """What in the log was not taken as it stands."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By grouping: the names of its groups."""
    on_disk: bool = False
    """Whether what is kept beside it may outgrow memory, and belongs on disk."""

    def __len__(self) -> int:
        return self.impressions

    def __iter__(self) -> Iterator[Logged]:
        return self.blocks()

    @property
    def creatives(self) -> int:
        """K."""
        return len(self.names)

    def split(self, least: int, training: float, rng: np.random.Generator) -> "tuple[Log, Log]":
        """Impressions drawn by chance: those that agents learn from, and those that policies are valued on.

        Args:
            least: so many are taken in all, or all where there are fewer; evenly from all blocks.
            training: share that agents learn from.
            rng: draws them, block by block.
        """
        taken, cut, seen = min(least, len(self)), 0, 0
        part = Spool(self.on_disk)
        for block in self:
            order, before = rng.permutation(len(block)), _quota(taken, training, seen, len(self))
            seen += len(block)
            after = _quota(taken, training, seen, len(self))
            few, all_taken = after[0] - before[0], after[1] - before[1]
            kind = np.zeros(len(block), dtype=np.int8)
            kind[order[:few]], kind[order[few:all_taken]] = TRAINING, VALUED
            cut += few
            part.append(kind=kind)
        return self._part(part, TRAINING, cut), self._part(part, VALUED, taken - cut)

    def _part(self, kinds: Spool, kind: int, n: int) -> "Log":
        def blocks() -> Iterator[Logged]:
            for block, row in zip(self, kinds, strict=True):
                yield block.rows(np.flatnonzero(row["kind"] == kind))

        return replace(self, blocks=blocks, impressions=n)


TRAINING, VALUED = 1, 2


def _quota(taken: int, training: float, seen: int, n: int) -> tuple[int, int]:
    """How many of the first impressions are learned from, and how many are taken at all."""
    all_taken = taken * seen // n
    return int(training * all_taken), all_taken


def cut(logged: Logged) -> Callable[[], Iterator[Logged]]:
    """A log in memory as blocks."""

    def blocks() -> Iterator[Logged]:
        for start in range(0, len(logged), BLOCK):
            yield logged.rows(np.arange(start, min(start + BLOCK, len(logged))))

    return blocks


def logged_open_bandit(directory: Path) -> Log:
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
    Propensities.of(propensity, log.item[:, None]).check(log.items, str(directory), "in-slot")
    logged = Logged(
        creative=log.item[:, None],
        clicked=log.click[:, None].astype(bool),
        converted=np.zeros((len(log), 1), dtype=bool),
        in_slot=propensity,
        given_above=propensity,
        context=log.position,
        place=log.position,
        impressions=Impressions(nobody, nobody, nobody - 1, torch.as_tensor(hours), torch.as_tensor(known)),
    )
    return Log(
        source=str(directory),
        names=tuple(str(item) for item in range(log.items)),
        slots=1,
        impressions=len(log),
        contexts=int(log.position.max()) + 1,
        channels=1,
        width=known.shape[1],
        tells_in_slot=True,
        tells_given_above=True,
        unit="a shown item",
        blocks=cut(logged),
        places=int(log.position.max()) + 1,
    )
