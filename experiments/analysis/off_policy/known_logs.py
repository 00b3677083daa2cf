"""Logs of the simulated world by policies whose probabilities are known, with the truth of any policy beside them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ....envs.placement import first_ads
from ....simulation.scenario import load_scenario
from ....simulation.visitors.traffic import Impressions
from ....simulation.world import World, make_world
from ...serving.observers import Answers
from ...serving.serve import Fixed, Turn, serve
from ..statistics.bootstrap import Array
from . import plackett_luce
from .plackett_luce import Codes
from .reward_model import fit_rates
from .weighted_log import WeightedLog


@dataclass(frozen=True)
class KnownLog:
    """n impressions of L slots."""

    context: Codes
    """[n] segment and channel, from 0."""
    slates: Codes
    """[n, L], from 0."""
    reward: Array
    """[n, L] clicks."""
    rates: Array
    """[n, L, K] gold CTR of every creative in every slot at that moment: slots do not influence each other."""

    def truth(self, in_slot: Array) -> float:
        """Expected clicks an impression of a policy, [n, L, K] probabilities, at these moments."""
        return float((in_slot * self.rates).sum((1, 2)).mean())


class Seen(Answers):
    """All feedback, and beside it what every candidate would have had for a click rate where it is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.click: list[Tensor] = []
        """By batch, [B, K] gold P(click | looked at)."""

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        columns = [turn.candidates[k].expand(len(turn), 1) for k in range(len(turn.candidates))]
        rates = [turn.world.expected(turn.impressions, column).click for column in columns]
        self.click.append(torch.cat(rates, dim=1))


class KnownWorld:
    """A world with two policies that look at segment and channel: one logs, the other is to be valued.

    Both fill slots from the top in proportion to preferences (Plackett-Luce). The valued one leans to what a log of
    its own showed to be clicked.
    """

    def __init__(
        self, seed: int, slots: int, creatives: int = 8, users: int = 1000, scenario_name: str | Path = "shop"
    ) -> None:
        """Makes the world and the preferences; logs come from `log`."""
        scenario, catalog = load_scenario(scenario_name)
        self.world: World = make_world(scenario, catalog, seed=seed, users=users)
        self.candidates = self.world.publish(first_ads(catalog)[:creatives])
        self.slots, self.creatives = slots, creatives
        self.contexts = len(self.world.audience.segments) * len(scenario.channels)
        rng = np.random.default_rng(seed)
        uniform = np.ones((self.contexts, creatives))
        first = self.log(uniform, 20_000, seed)
        learned = fit_rates(first.context, first.slates[:, :1], first.reward[:, :1], creatives, rng).tables[0, :, 0]
        self.logging = np.exp(rng.normal(0, 0.5, uniform.shape))
        self.valued = np.exp(100 * (learned - learned.mean(1, keepdims=True)))
        self.valued_in_slot = plackett_luce.in_slot(self.valued, slots)
        """[S, L, K]."""

    def log(self, preference: Array, n: int, seed: int) -> KnownLog:
        """n impressions under [S, K] preferences, the world reset to a seed."""
        world = self.world
        world.reset(seed)
        rng, seen = np.random.default_rng(seed), Seen()

        def place(visits: Impressions, candidates: Tensor) -> Tensor:
            slates = plackett_luce.draw_slates(preference[self.context_of(visits)], self.slots, rng)
            return candidates[torch.as_tensor(slates)]

        serve(world, Fixed(place), self.candidates, n, [seen], batch=n)
        feedback = seen.feedback[0]
        visits = feedback.impressions
        examined = world.examination[visits.channel, : self.slots]
        rates = (examined[:, :, None] * seen.click[0][:, None]).double().numpy()
        slates = (feedback.slates - self.candidates[0]).numpy()
        return KnownLog(self.context_of(visits), slates, feedback.clicked.double().numpy(), rates)

    def context_of(self, visits: Impressions) -> Codes:
        """[n] segment and channel of visits, from 0."""
        world = self.world
        return (world.audience.segment[visits.user] * len(world.scenario.channels) + visits.channel).numpy()

    def evidence(self, log: KnownLog, rng: np.random.Generator) -> WeightedLog:
        """What a log of the logging policy says of the valued one."""
        at = log.slates[:, :, None]
        preferences = (self.valued, self.logging)
        in_slot = [p[log.context] for p in (self.valued_in_slot, plackett_luce.in_slot(self.logging, self.slots))]
        above = [plackett_luce.given_above(p[log.context], log.slates) for p in preferences]
        model = fit_rates(log.context, log.slates, log.reward, self.creatives, rng)
        predicted = model.rows(slice(None))
        weight, chain = (
            np.take_along_axis(mine, at, 2)[..., 0] / np.take_along_axis(theirs, at, 2)[..., 0]
            for mine, theirs in (in_slot, above)
        )
        return WeightedLog(
            reward=log.reward,
            weight=weight,
            chain=chain,
            predicted=model.of(log.slates),
            expected=(in_slot[0] * predicted).sum(2),
            expected_below=(above[0] * predicted).sum(2),
        )
