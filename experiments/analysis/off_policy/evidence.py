"""What a log says of a policy, block by block; and what of the log all policies share."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....simulation.data.spool import Spool
from ..statistics.bootstrap import Array, Interval
from .evaluation import interval_of
from .logged import Log, Logged
from .policies import Policy, row_batches
from .reward_model import RateCounts, RateTables, deal
from .weighted_log import WeightedLog

BATCH = 4096
"""Impressions whose chances, [n, L, K], are computed at once."""


@dataclass(frozen=True)
class Known:
    """Of a log that policies are valued on: what is the same for all of them."""

    log: Log
    worth: float
    """Of a conversion in clicks."""
    tables: Array
    """[F, S, L, K], see `RateCounts`."""
    folds: Spool
    seen: NDArray[np.bool_]
    """[P, L, K] whether a creative was ever shown in a slot and place."""
    clicks: int
    earned: Interval
    """What the policy that made the log earned."""

    @classmethod
    def of(cls, log: Log, conversion_value: float, rng: np.random.Generator) -> "Known":
        """Goes through the log once; `rng` deals its impressions to folds."""
        counts, folds = RateCounts(log.contexts, log.slots, log.creatives), Spool(log.on_disk)
        seen, clicks = np.zeros((log.places, log.slots, log.creatives), dtype=bool), 0
        for block in log:
            fold = deal(len(block), rng)
            folds.append(fold=fold.astype(np.int8))
            counts.add(fold, block.context, block.creative, block.reward(conversion_value))
            _mark(seen, block)
            clicks += int(block.clicked.sum())
        earned = interval_of((block.reward(conversion_value) for block in log if len(block)), 1 + conversion_value)
        return cls(log, conversion_value, counts.tables(), folds, seen, clicks, earned)

    def blocks(self) -> Iterator[tuple[Logged, RateTables]]:
        """Of the log, with what the reward model says of them."""
        for block, row in zip(self.log, self.folds, strict=True):
            yield block, RateTables(self.tables, row["fold"].astype(np.int64), block.context)


class Evidence:
    """What the log says of one policy: blocks that can be gone through again and again."""

    def __init__(self, policy: Policy, known: Known) -> None:
        """Asks the policy once what it would have done at every impression."""
        self._known, self._spool = known, Spool(known.log.on_disk)
        missed = 0.0
        for block, rates in known.blocks():
            found, unseen = evidence(policy, block, rates, known.worth, known.seen)
            missed += unseen
            given = {name: value for name, value in vars(found).items() if isinstance(value, np.ndarray)}
            self._spool.append(**{name: value for name, value in given.items() if name != "reward"})
        self.unseen = missed / (len(known.log) * known.log.slots)
        """Share of its choices that the log never shows in that slot and place."""

    def __iter__(self) -> Iterator[WeightedLog]:
        return (found for _, found in self.blocks())

    def blocks(self) -> Iterator[tuple[Logged, WeightedLog]]:
        """Of the log, with what they say."""
        worth = self._known.worth
        for block, row in zip(self._known.log, self._spool, strict=True):
            if len(block):
                weights = {name: row.get(name) for name in ("weight", "chain")}
                model = {name: row[name] for name in ("predicted", "expected", "expected_below")}
                yield block, WeightedLog(reward=block.reward(worth), most=1 + worth, **weights, **model)


def evidence(
    policy: Policy, block: Logged, rates: RateTables, conversion_value: float, seen: NDArray[np.bool_] | None = None
) -> tuple[WeightedLog, float]:
    """What a block says of a policy, and how many of its choices the log never shows in that slot and place.

    Args:
        policy: to be valued.
        block: of the log, or all of it.
        rates: the reward model, for these impressions.
        conversion_value: worth of a conversion in clicks.
        seen: [P, L, K] what the log shows in each place and slot; by default what the block does.
    """
    columns: dict[str, list[Array]] = {"weight": [], "chain": [], "expected": [], "below": []}
    if seen is None:
        seen = np.zeros((int(block.place.max()) + 1, block.slots, rates.tables.shape[-1]), dtype=bool)
        _mark(seen, block)
    unseen = 0.0
    for rows in row_batches(len(block), BATCH):
        part, predicted = block.rows(rows), rates.rows(rows)
        in_slot, given_above = policy.chances(part)
        at = part.creative[:, :, None]
        columns["weight"].append(np.take_along_axis(in_slot, at, 2)[..., 0])
        columns["chain"].append(np.take_along_axis(given_above, at, 2)[..., 0])
        columns["expected"].append((in_slot * predicted).sum(2))
        columns["below"].append((given_above * predicted).sum(2))
        unseen += float((in_slot * ~seen[part.place]).sum())
    none = [np.zeros((0, block.slots))]
    joined = {name: np.concatenate(parts or none) for name, parts in columns.items()}
    found = WeightedLog(
        reward=block.reward(conversion_value),
        weight=None if block.in_slot is None else joined["weight"] / block.in_slot,
        chain=None if block.given_above is None else joined["chain"] / block.given_above,
        predicted=rates.of(block.creative),
        expected=joined["expected"],
        expected_below=joined["below"],
        most=1 + conversion_value,
    )
    return found, unseen


def _mark(seen: NDArray[np.bool_], block: Logged) -> None:
    seen[block.place[:, None], np.arange(block.slots), block.creative] = True
