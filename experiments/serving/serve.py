"""The one loop in which visitors come, an agent acts, feedback comes back, and observers record.

Every figure about placement comes out of `serve`: what differs from command to command is who acts and what is
recorded. An observer sees each batch twice: when slates are shown, while the gold is still that of the moment (looking
wears visitors out), and when they were answered.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ...agents.agent import CONVERSION_VALUE, Decision, Worth
from ...agents.traffic.pacing import Prices
from ...simulation.visitors.traffic import Impressions
from ...simulation.world import Feedback, Rates, World

BATCH = 1024
"""Visits decided at once; feedback comes after them."""


class Actor(Protocol):
    """Who decides: a `PlacementAgent`, or anything else that acts and is told what came of it."""

    def act(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """Chooses slates of [K] candidates for B visits."""
        ...

    def update(self, feedback: Feedback) -> None:
        """Is told what came of them.

        Conversions are in it however late they are, `delay_hours` after the click: who must not know them yet holds
        them back (`agents/traffic/delay.py`).
        """
        ...


@dataclass(frozen=True)
class Fixed:
    """A policy that learns nothing: a function from visits and [K] candidates to [B, L] slates."""

    place: Callable[[Impressions, Tensor], Tensor]

    def act(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """See `Actor.act`."""
        return Decision(self.place(impressions, candidates), None)

    def update(self, feedback: Feedback) -> None:
        """Learns nothing."""


@dataclass(frozen=True)
class Turn:
    """A batch of visits and what is shown to them, before they respond. The gold is worked out if somebody looks."""

    world: World
    visits: Impressions
    """B visits, all that came."""
    candidates: Tensor
    """[K] creatives that were chosen among."""
    slates: Tensor
    """[n, L]."""
    conversion_value: float
    bought: Tensor | None = None
    """[B] bool: in which of the visits something is shown; None for all."""

    def __len__(self) -> int:
        return len(self.visits)

    @cached_property
    def impressions(self) -> Impressions:
        """The n visits in which something is shown."""
        return self.visits if self.bought is None else self.visits[self.bought]

    @cached_property
    def rates(self) -> Rates:
        """Gold rates of the slates, [n, L] each."""
        return self.world.expected(self.impressions, self.slates)

    @cached_property
    def reward(self) -> Tensor:
        """[B] gold reward: expected clicks, and conversions at their worth; 0 where nothing is shown."""
        if self.bought is None:
            return self._worth(self.rates)
        return torch.zeros(len(self), dtype=torch.float64, device=self.slates.device).masked_scatter_(
            self.bought, self._worth(self.rates)
        )

    @cached_property
    def best_rates(self) -> Rates:
        """Gold rates of the best slates that could have been shown to all visits at this moment, [B, L] each."""
        best = self.world.best(self.visits, self.candidates, self.conversion_value)
        return self.world.expected(self.visits, best)

    @cached_property
    def oracle(self) -> Tensor:
        """[B] gold reward of the best slates that could have been shown at this moment."""
        return self._worth(self.best_rates)

    def _worth(self, rates: Rates) -> Tensor:
        return (rates.ctr * (1 + self.conversion_value * rates.convert)).sum(1).double()


class Observer:
    """Records one thing; overrides the one of the two moments at which that can be seen."""

    def shown(self, turn: Turn) -> None:
        """Slates are shown, and nobody has responded."""

    def answered(self, feedback: Feedback) -> None:
        """Visitors have responded, and the agent has not learned from it."""


def serve(
    world: World,
    agent: Actor,
    candidates: Tensor,
    impressions: int,
    observers: Sequence[Observer] = (),
    *,
    batch: int = BATCH,
    conversion_value: float = CONVERSION_VALUE,
) -> float:
    """An agent places candidates before the world's next visitors and learns from what they do.

    Args:
        world: goes on from where it stands; reset it to a seed, and the same visitors come to every agent.
        agent: acts and learns.
        candidates: [K] creatives to choose among.
        impressions: visits.
        observers: record.
        batch: visits decided at once.
        conversion_value: worth of a conversion in clicks, in the gold that observers see.

    Returns:
        Seconds that the agent took to decide and learn.
    """
    seconds = 0.0
    for start in range(0, impressions, batch):
        visits = world.visitors(min(batch, impressions - start))
        clock = time.perf_counter()
        decision = agent.act(visits, candidates)
        seconds += time.perf_counter() - clock
        turn = Turn(world, visits, candidates, decision.slates, conversion_value, decision.bought)
        for observer in observers:
            observer.shown(turn)
        if not len(decision.slates):
            continue
        feedback = decision.answer(world.respond(turn.impressions, decision.slates))
        for observer in observers:
            observer.answered(feedback)
        clock = time.perf_counter()
        agent.update(feedback)
        seconds += time.perf_counter() - clock
    return seconds


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
        """Starts at zero."""
        self.total = torch.zeros(len(world.audience), 2, dtype=torch.float64, device=world.device)

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        rows = torch.stack([turn.reward, torch.ones_like(turn.reward)], dim=1)
        self.total.index_add_(0, turn.visits.user, rows)


class Showings(Observer):
    """How often each slot of each channel showed each category, `total` [channels, slots, categories]."""

    def __init__(self, world: World) -> None:
        """Starts at zero."""
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
        """Starts empty."""
        self.rows: list[tuple[int, int]] = []

    def answered(self, feedback: Feedback) -> None:
        """See `Observer.answered`."""
        self.rows.append((int(feedback.clicked.any(1).sum()), len(feedback.slates)))


class WorthByArm(Observer):
    """Observed worth of each creative, and the trials that it had, `total` [C, 2]."""

    def __init__(self, world: World, worth: Worth) -> None:
        """Starts at zero."""
        self.worth = worth
        self.total = torch.zeros(len(world.creatives), 2, dtype=torch.float64, device=world.device)

    def answered(self, feedback: Feedback) -> None:
        """See `Observer.answered`."""
        seen = torch.stack([self.worth.rewards(feedback), self.worth.trials(feedback)], dim=2).double()
        self.total.index_add_(0, feedback.slates.flatten(), seen.flatten(0, 1))


class Answers(Observer):
    """All feedback, batch by batch."""

    def __init__(self) -> None:
        """Starts empty."""
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
