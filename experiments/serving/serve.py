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

import torch
from torch import Tensor

from ...agents.agent import CONVERSION_VALUE, Decision
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
