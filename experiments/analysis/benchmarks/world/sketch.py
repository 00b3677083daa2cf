"""The bound of `copybandit benchmark world`: the shop's effects in bare numpy, with no interface, options or checks.

It is what somebody would write who needs this one world once: the same position model, look-up of utilities, search
intent, hour, competitors, fatigue, moving interest, conversion, delay and contexts, with numpy's own generator.
"""

import math
from typing import Any

import numpy as np

from .....simulation.response.lookup import CLICK, CONVERT, SOUGHT, Lookup
from .....simulation.visitors.traffic import RIVALRY_SPREAD
from .....simulation.world import World

Array = Any
"""A numpy array."""


class NumpySketch:
    """Serves n visitors a step, as the environment does."""

    def __init__(self, world: World, n: int, seed: int = 0) -> None:
        """Takes the numbers of a world that has creatives published and reads slates position by position."""
        scenario, people, channels = world.scenario, world.audience, list(world.scenario.channels.values())
        self.n, self.rng, self.hours = n, np.random.default_rng(seed), 0.0
        lookup = world.lookup
        assert isinstance(lookup, Lookup)
        click, convert = (lookup.part(figure).numpy() for figure in (CLICK, CONVERT))
        self.known = np.stack([click, convert], axis=-1).reshape(-1, 2)
        self.creatives = click.shape[1]
        self.sought = lookup.part(SOUGHT).numpy().copy()
        self.category = world.traffic.queries.category_of(world.creatives).numpy()
        self.examination = world.examination.numpy().copy()
        self.arrival = (people.activity.cumsum(0) / people.activity.sum()).numpy()
        self.share = np.cumsum([c.share for c in channels]) / sum(c.share for c in channels)
        self.asks = np.array([c.intent > 0 for c in channels])
        self.daily, self.peak, self.rivals = (
            np.array([getattr(c, name) for c in channels], dtype=np.float32)
            for name in ("daily", "peak_hour", "competitors")
        )
        self.pull = people.interest.softmax(1).cumsum(1).numpy()
        self.profile = world.traffic.known.numpy().copy()
        self.pace = 1 / scenario.visits_per_hour
        self.delay, self.value = scenario.conversion_delay_hours, 1.0
        self.fatigue, self.recovery = scenario.fatigue, (scenario.recovery_hours, scenario.interest_recovery_hours)
        self.gain, self.loss = scenario.interest_gain, scenario.interest_loss
        self.worn = np.zeros(len(self.known), dtype=np.float32)
        self.mood = np.zeros(len(people) * self.pull.shape[1], dtype=np.float32)
        self.origin = 0.0
        self.visit = self._visitors()

    def _visitors(self) -> dict[str, Array]:
        n, rng = self.n, self.rng
        draw = rng.random((3, n), dtype=np.float32)
        user = np.minimum(np.searchsorted(self.arrival, draw[0]), len(self.arrival) - 1)
        channel = np.searchsorted(self.share, draw[1])
        wanted = (self.pull[user] < draw[2][:, None]).sum(1).clip(max=self.pull.shape[1] - 1)
        query = np.where(self.asks[channel], wanted, -1)
        hours = self.hours + self.pace * np.arange(n)
        self.hours += self.pace * n
        clock = (hours % 24).astype(np.float32)
        noise = rng.standard_normal(n, dtype=np.float32)
        moment = self.daily[channel] * np.cos((clock - self.peak[channel]) * (2 * math.pi / 24))
        moment -= np.log1p(self.rivals[channel] * np.exp(RIVALRY_SPREAD * noise))
        width, categories = self.profile.shape[1], self.pull.shape[1]
        context = np.zeros((n, width + len(self.share) + categories + 2), dtype=np.float32)
        context[:, :width] = self.profile[user]
        rows = np.arange(n)
        context[rows, width + channel] = 1
        asking = query >= 0
        context[rows[asking], width + len(self.share) + query[asking]] = 1
        angle = clock * (2 * math.pi / 24)
        context[:, -2], context[:, -1] = (1 + np.sin(angle)) / 2, (1 + np.cos(angle)) / 2
        if self.hours - self.origin > 20 * min(self.recovery):
            for kept, recovery in ((self.worn, self.recovery[0]), (self.mood, self.recovery[1])):
                kept *= math.exp((self.origin - self.hours) / recovery)
            self.origin = self.hours
        grown = [np.exp(((hours - self.origin) / r).astype(np.float32))[:, None] for r in self.recovery]
        sought = channel * (categories + 1) + query + 1
        return {"user": user[:, None], "channel": channel, "sought": sought[:, None], "moment": moment[:, None],
                "context": context, "grown": grown}  # fmt: skip

    def step(self, slates: Array) -> tuple[Array, Array, dict[str, Any]]:
        """Observations of the next visitors, rewards of these, and what they clicked."""
        user, channel, grown = self.visit["user"], self.visit["channel"], self.visit["grown"]
        cell = user * self.creatives + slates
        near = user * self.pull.shape[1] + self.category[slates]
        known = self.known[cell]
        worn, mood = self.worn[cell] / grown[0], self.mood[near] / grown[1]
        click = known[..., 0] + self.sought[self.visit["sought"], slates] + self.visit["moment"]
        click += mood / (1 + np.abs(mood)) - self.fatigue * worn / (1 + worn)
        luck = self.rng.random((4, *slates.shape), dtype=np.float32)
        same = slates[:, :, None] == slates[:, None, :]
        looked = (luck[0] < self.examination[channel]) & ~np.tril(same, -1).any(2)
        clicked = looked & (luck[1] < 1 / (1 + np.exp(-click)))
        converted = clicked & (luck[2] < 1 / (1 + np.exp(-known[..., 1])))
        delay = np.where(converted, -self.delay * np.log(np.maximum(luck[3], 1e-12)), np.inf)
        np.add.at(self.worn, cell.ravel(), (looked * grown[0]).ravel())
        moved = ((self.gain * clicked - self.loss * looked) * grown[1]).astype(np.float32)
        np.add.at(self.mood, near.ravel(), moved.ravel())
        reward = (clicked + self.value * converted).sum(1)
        self.visit = self._visitors()
        return self.visit["context"], reward, {"clicked": clicked, "converted": converted, "delay": delay}
