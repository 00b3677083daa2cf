"""What is recorded while agents serve: rewards, looks, money, showings, and the log in the format that people bring."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...agents.agent import Worth
from ...agents.traffic.pacing import Prices
from ...simulation.data.pseudonyms import pseudonyms
from ...simulation.logs import log_frame
from ...simulation.world import Feedback, World
from .serve import Observer, Turn


@dataclass(frozen=True)
class Money:
    """A budget for all visits, and what showing slates costs."""

    budget: float
    prices: Prices

    def affords(self, worth: Tensor, cost: Tensor) -> Tensor:
        """[N] bool: the visits to buy if all [N] worths and positive costs had been known from the start."""
        order = (worth / cost).argsort(descending=True)
        within = cost[order].cumsum(0) <= self.budget
        return torch.zeros_like(within).index_copy_(0, order, within)


class Curve(Observer):
    """Gold reward batch by batch, and what the oracle would have earned, where that is asked for."""

    def __init__(self, oracle: bool = False, money: Money | None = None) -> None:
        """Starts empty; with `money` the oracle, too, has to buy its visits."""
        self.sizes: list[int] = []
        self.rewards: list[float] = []
        self._best: list[Tensor] = []
        self._oracle, self._money = oracle, money

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        self.sizes.append(len(turn))
        self.rewards.append(float(turn.reward.mean()))
        if not self._oracle:
            return
        if self._money is None:
            self._best.append(torch.stack([turn.oracle, torch.zeros_like(turn.oracle)]))
            return
        prices, channel = self._money.prices, turn.visits.channel
        cost = turn.world.slots * prices.shown[channel] + prices.clicked[channel] * turn.best_rates.ctr.sum(1)
        self._best.append(torch.stack([turn.oracle, cost.double()]))

    @property
    def oracles(self) -> list[float]:
        """What the best slates earn an impression, batch by batch, in the visits that the oracle would have bought."""
        if not self._best:
            return []
        worth, cost = torch.cat(self._best, 1)
        if self._money is not None:
            worth = torch.where(self._money.affords(worth, cost), worth, 0.0)
        return [float(part.mean()) for part in worth.split(self.sizes)]

    @property
    def points(self) -> list[tuple[int, float]]:
        """Impressions so far, and the mean reward of the stretch that ends there."""
        return list(zip(np.cumsum(self.sizes).tolist(), self.rewards, strict=True))


class Likeness(Observer):
    """How like the two most similar texts of a slate are, by the cosines of their vectors."""

    def __init__(self, texts: Tensor) -> None:
        """Starts at zero; [C, e] are the vectors of the world's creatives, of length 1."""
        self.texts, self.total, self.slates = texts, 0.0, 0

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        texts = self.texts[turn.slates]
        likeness = texts @ texts.transpose(1, 2)
        likeness.diagonal(dim1=1, dim2=2).fill_(-1.0)
        self.total += float(likeness.flatten(1).amax(1).double().sum()) if len(texts) else 0.0
        self.slates += len(texts)

    @property
    def mean(self) -> float:
        """Over all slates."""
        return self.total / max(self.slates, 1)


class RewardByUser(Observer):
    """Gold reward and impressions of each user, `total` [U, 2]."""

    def __init__(self, world: World) -> None:
        self.total = torch.zeros(len(world.audience), 2, dtype=torch.float64, device=world.device)

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        rows = torch.stack([turn.reward, torch.ones_like(turn.reward)], dim=1)
        self.total.index_add_(0, turn.visits.user, rows)


class Showings(Observer):
    """How often each slot of each channel showed each category, `total` [channels, slots, categories]."""

    def __init__(self, world: World) -> None:
        self._category = torch.tensor(world.catalog.category_of, device=world.device)
        sizes = (len(world.examination), world.slots, len(world.catalog.categories))
        self.total = torch.zeros(sizes, dtype=torch.float64, device=world.device)

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        category = self._category[turn.world.products_of(turn.slates)]
        slots, categories = self.total.shape[1:]
        place = turn.impressions.channel[:, None] * slots + torch.arange(slots, device=category.device)
        cell = (place * categories + category).flatten()
        self.total += torch.bincount(cell, minlength=self.total.numel()).view_as(self.total)


class Looks(Observer):
    """Batch by batch, visits with a click, and visits: what a test of clicks looks at."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int]] = []

    def answered(self, feedback: Feedback) -> None:
        """See `Observer.answered`."""
        self.rows.append((int(feedback.clicked.any(1).sum()), len(feedback.slates)))


class WorthByArm(Observer):
    """Observed worth of each creative, and the trials that it had, `total` [C, 2]."""

    def __init__(self, world: World, worth: Worth) -> None:
        self.worth = worth
        self.total = torch.zeros(len(world.creatives), 2, dtype=torch.float64, device=world.device)

    def answered(self, feedback: Feedback) -> None:
        """See `Observer.answered`."""
        seen = torch.stack([self.worth.rewards(feedback), self.worth.trials(feedback)], dim=2).double()
        self.total.index_add_(0, feedback.slates.flatten(), seen.flatten(0, 1))


class Answers(Observer):
    """All feedback, batch by batch."""

    def __init__(self) -> None:
        self.feedback: list[Feedback] = []

    def answered(self, feedback: Feedback) -> None:
        """See `Observer.answered`."""
        self.feedback.append(feedback)


@dataclass(frozen=True)
class Progress(Observer):
    """Tells how far serving is."""

    advance: Callable[[int], None]

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        self.advance(len(turn))


LOGGED = 20_000
"""Visits that are kept."""


class PlacedLog(Observer):
    """The first visits of a placement, one row an impression-slot, with the probability of what was shown.

    Users have pseudonyms: those of a world that was fitted to a log are, one by one, the log's own.
    """

    def __init__(self, key: bytes) -> None:
        """Takes the key of the pseudonyms, which nobody keeps; see `fresh_key`."""
        self._key = key
        self._world: World | None = None
        self._frames: list[pd.DataFrame] = []
        self._visits = 0

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        self._world = turn.world

    def answered(self, feedback: Feedback) -> None:
        """See `Observer.answered`."""
        feedback = feedback[: LOGGED - self._visits]
        if self._world is None or feedback.propensities is None or not len(feedback.slates):
            return
        frame = log_frame(self._world, feedback, feedback.propensities, self._visits)
        self._frames.append(frame.assign(user_id=pseudonyms(frame.user_id, self._key)))
        self._visits += len(feedback.slates)

    def __len__(self) -> int:
        return self._visits

    @property
    def table(self) -> pd.DataFrame:
        """All rows."""
        return pd.concat(self._frames, ignore_index=True)
