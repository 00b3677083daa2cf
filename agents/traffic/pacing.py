"""Budgets over a horizon: which impressions to buy, so that the money lasts and nearly all of it is spent.

Primal-dual pacing: a multiplier prices money, and an impression is bought where its value exceeds the multiplier times
its cost (Balseiro and Gur, "Learning in repeated auctions with budgets", Management Science 2019). The multiplier is
not stepped but solved anew from recent impressions for what may still be spent: no step size, no scale of values
(Agrawal, Wang and Ye, "A dynamic near-optimal algorithm for online linear programming", Operations Research 2014).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...simulation.data.errors import InputError
from ...simulation.visits import Feedback, Impressions
from ..agent import Decision, PlacementAgent
from ..checks import known_outcomes
from .wrapper import Wrapper

if TYPE_CHECKING:
    from ...simulation.scenario import Scenario

DITHER = 1e-3
"""Share of an impression's value that is random: of many that are worth the same, some are bought and some are not."""


def price_of_money(value: Tensor, cost: Tensor, target: float) -> float:
    """The least multiplier at which buying value > multiplier * cost spends at most `target` an impression.

    Args:
        value: [n] of recent impressions.
        cost: [n] expected cost of each, positive.
        target: money an impression.
    """
    worth, order = (value / cost).sort(descending=True)
    within = int((cost[order].double().cumsum(0) <= target * len(cost)).sum())
    return 0.0 if within == len(cost) else max(0.0, float(worth[within]))


def affordable(wanted: Tensor, most: Tensor, left: float) -> Tensor:
    """[B] bool: of what is wanted, in order, as much as `left` pays for if each cost its `most`.

    Args:
        wanted: [B] bool.
        most: [B] the largest cost each can come to.
        left: money.
    """
    return wanted & (torch.where(wanted, most, 0.0).double().cumsum(0) <= left)


class Pacer:
    """Spends a budget over a horizon of impressions, never more."""

    RESERVE = 0.02
    """Share of the horizon kept for what is left over: costs that did not come to pass, impressions too dear."""

    def __init__(self, budget: float, horizon: int, generator: torch.Generator, memory: int = 2000) -> None:
        """Sets the budget.

        Args:
            budget: money.
            horizon: impressions it shall last for.
            generator: decides between impressions of one value; values and costs are on its device.
            memory: recent impressions that prices are judged by.

        Raises:
            InputError: a budget or horizon that is not positive.
        """
        if not budget > 0 or horizon < 1:
            raise InputError(f"budget {budget} over {horizon} impressions: give a positive budget and horizon")
        self.budget, self.horizon, self.memory, self.generator = budget, horizon, memory, generator
        self.spent, self.reserved, self.seen, self.multiplier = 0.0, 0.0, 0, 0.0
        self._recent = torch.zeros(2, 0, device=generator.device)
        self._waiting: list[Tensor] = []
        self._solved = 0

    @property
    def left(self) -> float:
        """Money that is neither spent nor reserved for what was bought."""
        return self.budget - self.spent - self.reserved

    def buy(self, value: Tensor, cost: Tensor, most: Tensor | None = None) -> Tensor:
        """[B] bool: which impressions to buy; what they can come to is reserved until `charge`.

        Args:
            value: [B] expected worth of the slate that would be shown.
            cost: [B] expected cost of showing it, positive.
            most: [B] the largest cost it can come to, where it is not certain; the budget holds for that.

        Raises:
            InputError: costs that are not positive, or less than they can come to.
        """
        most = cost if most is None else most
        if not bool((cost > 0).all() and (most >= cost * (1 - 1e-6)).all()):
            raise InputError("cost: each must be positive, and at most what it can come to")
        noise = torch.rand(value.shape, generator=self.generator, device=value.device)
        # The least value there is lets the noise decide among impressions of which nothing good is believed.
        value = value.clamp(min=1e-9) * (1 + DITHER * noise)
        self._waiting.append(torch.stack([value, cost]))
        if self.seen == 0 or self.seen - self._solved >= min(50, self.memory) or len(value) >= 50:
            self._solve()
        bought = affordable(value > self.multiplier * cost, most, self.left)
        self.seen += len(value)
        self.reserved += float(most[bought].double().sum())
        return bought

    def charge(self, cost: float, most: float) -> None:
        """Books what impressions that were bought came to, and frees what was reserved for them.

        Raises:
            InputError: a cost below 0 or above what they could come to.
        """
        if not 0 <= cost <= most * (1 + 1e-6):
            raise InputError(f"cost {cost}: give 0 or more, and at most the {most} that was reserved")
        self.spent, self.reserved = min(self.budget, self.spent + cost), max(0.0, self.reserved - most)

    def tensors(self) -> dict[str, Tensor]:
        """What goes on being true after a restart."""
        numbers = [self.spent, self.reserved, float(self.seen), self.multiplier, float(self._solved)]
        recent = torch.cat([self._recent, *self._waiting], 1)
        return {"numbers": torch.tensor(numbers, dtype=torch.float64), "recent": recent}

    def load(self, state: dict[str, Tensor]) -> None:
        """Takes over what `tensors` gave."""
        self.spent, self.reserved, seen, self.multiplier, solved = state["numbers"].tolist()
        self.seen, self._solved = int(seen), int(solved)
        self._recent, self._waiting = state["recent"], []

    def _solve(self) -> None:
        recent = torch.cat([self._recent, *self._waiting], 1)[:, -self.memory :]
        self._recent, self._waiting, self._solved = recent, [], self.seen
        remaining = max(1.0, self.horizon * (1 - self.RESERVE) - self.seen)
        self.multiplier = price_of_money(recent[0], recent[1], self.left / remaining)


@dataclass(frozen=True)
class Prices:
    """What showing a slate costs; money."""

    shown: Tensor
    """[channels] of a slot shown."""
    clicked: Tensor
    """[channels] of a click."""

    def __post_init__(self) -> None:
        if not bool((self.shown >= 0).all() and (self.clicked >= 0).all() and (self.shown + self.clicked > 0).all()):
            raise InputError("prices: each channel needs a price of 0 or more, a slot's or a click's above 0")

    @staticmethod
    def of(scenario: "Scenario", device: torch.device | str = "cpu") -> "Prices":
        """The scenario's own.

        Raises:
            InputError: a channel costs nothing.
        """
        for name, channel in scenario.channels.items():
            if not channel.cost_per_thousand + channel.cost_per_click > 0:
                raise InputError(f"budget: channel '{name}' of {scenario.name} costs nothing; give it a cost_per_click")
        channels = list(scenario.channels.values())
        return Prices(
            torch.tensor([channel.cost_per_thousand / 1000 for channel in channels], device=device),
            torch.tensor([channel.cost_per_click for channel in channels], device=device),
        )

    def of_feedback(self, feedback: Feedback) -> Tensor:
        """[B] what impressions came to."""
        channel, slots = feedback.impressions.channel, feedback.slates.shape[1]
        return slots * self.shown[channel] + self.clicked[channel] * feedback.clicked.sum(1)


class Paced(Wrapper):
    """Buys those visits whose best slate is believed to bring most for the money; in the others nothing is shown.

    What is bought follows from what is believed of the visitor, not from the slate that is drawn, so that propensities
    stay what they are. How often a channel's slates are clicked, and so what they cost, is learned as it goes. Nothing
    may stand around this wrapper that hands feedback on late: what was bought is paid when it is seen.
    """

    kind = "paced"
    PRIOR_VISITS, PRIOR_CLICKS = 50.0, 0.05
    """Visits that the first guess of a channel's clicks a slot counts for, and that guess."""

    def __init__(self, agent: PlacementAgent, budget: float, horizon: int, prices: Prices) -> None:
        """Puts a budget before an agent.

        Args:
            agent: fills what is bought.
            budget: money.
            horizon: visits it shall last for.
            prices: of the channels.

        Raises:
            InputError: a budget, horizon or price that is not positive.
        """
        super().__init__(agent)
        self.prices, self.pacer = prices, Pacer(budget, horizon, agent.generator)
        self.clicks = torch.zeros(len(prices.shown), 2, dtype=torch.float64, device=self.device)
        """[channels, 2] clicks, and visits bought."""

    def act(self, impressions: Impressions, candidates: Tensor, opened: Tensor | None = None) -> Decision:
        """See `PlacementAgent.act`; `Decision.bought` says for which visits there are slates."""
        bought = self.pacer.buy(self.agent.expected_worth(impressions, candidates), *self._costs(impressions.channel))
        if not bool(bought.any()):
            nothing = torch.zeros(0, self.slots, dtype=torch.int64, device=self.device)
            return Decision(nothing, None, None, bought)
        inner = self.agent.act(impressions[bought], candidates, None if opened is None else opened[bought])
        return Decision(inner.slates, inner.propensities, inner.numbers, bought)

    def update(self, feedback: Feedback) -> None:
        """Pays for what was shown, as soon as it is known what came of it; then see `PlacementAgent.update`."""
        feedback = known_outcomes(feedback)
        channel = feedback.impressions.channel
        came_to, most = self.prices.of_feedback(feedback), self._costs(channel)[1]
        self.agent.update(feedback)
        self.pacer.charge(float(came_to.double().sum()), float(most.double().sum()))
        seen = torch.stack([feedback.clicked.sum(1).double(), torch.ones_like(came_to).double()], 1)
        self.clicks.index_add_(0, channel, seen)

    def figures(self) -> dict[str, float]:
        """Money spent, and the share of visits bought."""
        return {"spent": self.pacer.spent, "bought": float(self.clicks[:, 1].sum()) / max(self.pacer.seen, 1)}

    def own_state(self) -> dict[str, Tensor]:
        """What was spent, and what is known of costs."""
        return {"clicks": self.clicks} | self.pacer.tensors()

    def load_own_state(self, state: dict[str, Tensor]) -> None:
        """Takes over what `own_state` gave."""
        self.clicks = state["clicks"]
        self.pacer.load(state)

    def settings(self) -> dict[str, Any]:
        """See `Wrapper.settings`."""
        prices = {"shown": self.prices.shown.tolist(), "clicked": self.prices.clicked.tolist()}
        return {"budget": self.pacer.budget, "horizon": self.pacer.horizon} | prices

    @classmethod
    def restore(cls, agent: PlacementAgent, settings: dict[str, Any]) -> "Paced":
        """See `Wrapper.restore`."""
        prices = Prices(*(torch.tensor(settings[name], device=agent.device) for name in ("shown", "clicked")))
        return cls(agent, settings["budget"], settings["horizon"], prices)

    def _costs(self, channel: Tensor) -> tuple[Tensor, Tensor]:
        """[B] expected cost of a visit in each channel, and [B] the most that it can come to."""
        clicks, visits = self.clicks.unbind(1)
        rate = (clicks + self.PRIOR_VISITS * self.PRIOR_CLICKS * self.slots) / (visits + self.PRIOR_VISITS)
        shown = self.slots * self.prices.shown
        expected = shown + self.prices.clicked * rate.clamp(max=self.slots).float()
        return expected[channel], (shown + self.slots * self.prices.clicked)[channel]
