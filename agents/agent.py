"""The contract of placement agents."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ..simulation.data.errors import InputError
from ..simulation.visits import Feedback, Impressions
from .clicks import examined_trials
from .labels import Labels

if TYPE_CHECKING:
    from ..simulation.world import World

CONVERSION_VALUE = 10.0
"""Worth of a conversion in clicks, wherever agents are made for a world and nothing else is said."""


@dataclass(frozen=True)
class Decision:
    """Slates for B impressions."""

    slates: Tensor
    """[B, L] int64, creative indices, best slot first."""
    propensities: Tensor | None
    """[B, L] probability with which each slot's creative was chosen given the slots above; None where there is no
    closed form: `PlacementAgent.estimate_propensities` estimates it on demand."""
    numbers: Tensor | None = None
    """[B] int64, a number that no other decision of this agent has."""
    bought: Tensor | None = None
    """[visits] bool: to which visitors anything is shown; slates, propensities and numbers have a row for each of these
    and none for the others. None where all are, as it is without a budget."""

    def answer(self, feedback: Feedback) -> Feedback:
        """The feedback to these slates, marked so that the agent accepts it once and for these slates only."""
        return Feedback(
            feedback.impressions,
            feedback.slates,
            feedback.clicked,
            feedback.converted,
            feedback.delay_hours,
            self.propensities,
            self.numbers,
        )

    def answered(self, impressions: Impressions, clicked: Tensor, converted: Tensor | None = None) -> Feedback:
        """The feedback to these slates from what was seen of the visitors, for `PlacementAgent.update`.

        Args:
            impressions: the B visits that were decided for.
            clicked: [B, L] 0 or 1, NaN where it is not known.
            converted: the same of conversions; none by default.
        """
        clicked = torch.as_tensor(clicked)
        converted = torch.zeros_like(clicked) if converted is None else torch.as_tensor(converted)
        delay = torch.zeros(clicked.shape).masked_fill_(converted != 1, torch.inf)
        return self.answer(Feedback(impressions, self.slates, clicked, converted, delay))


@dataclass(frozen=True)
class Expectation:
    """What is expected of n new creatives before they are shown; data, from an effect model say."""

    worth: Tensor
    """[n] of a trial: a click and what follows it, in clicks."""
    trials: float = 30.0
    """How many trials of its own that expectation counts for."""

    def __post_init__(self) -> None:
        if not bool(self.worth.isfinite().all() and (self.worth >= 0).all()) or not self.trials > 0:
            raise InputError(f"expectation: give a worth of 0 or more and trials above 0, not {self.trials}")


@dataclass(frozen=True)
class Estimate:
    """Propensities that were estimated."""

    propensities: Tensor
    """[B, L] given the slots above."""
    error: Tensor
    """[B, L] standard error (Monte Carlo) or the difference to half the grid (quadrature)."""
    method: Literal["exact", "quadrature", "monte carlo"]


class PlacementAgent(ABC):
    """Decides which creative goes into which slot for whom, and learns from what comes back.

    Arms are creatives: row i of an agent's tables is the world's creative i. `add_arms` makes room for more.
    """

    def __init__(self, arms: int, slots: int, generator: torch.Generator) -> None:
        """Sets sizes; the agent lives on the generator's device."""
        self.arms, self.slots, self.generator = arms, slots, generator
        self.labels: Labels | None = None
        """What arms and features stand for, where it is known; it is saved with the agent."""

    @property
    def on_show(self) -> Tensor:
        """[K] arms that are in service, in order: candidates for `act`."""
        return torch.arange(self.arms, device=self.device)

    @property
    def device(self) -> torch.device:
        """Where the tables are."""
        return self.generator.device

    @abstractmethod
    def act(self, impressions: Impressions, candidates: Tensor, opened: Tensor | None = None) -> Decision:
        """Chooses slates of L different candidates.

        Args:
            impressions: B visits.
            candidates: [K] int64, K >= L.
            opened: [B, K] bool, which of them each visitor may be shown, L or more; None for all.
        """

    @abstractmethod
    def update(self, feedback: Feedback) -> None:
        """Learns from shown slates."""

    def admit(self, feedback: Feedback) -> Feedback:
        """Accepts feedback that is learned from later, by `update`: what comes back is not held against decisions then,
        however many were made in between.

        Raises:
            InputError: see `update`.
        """
        return feedback

    @property
    def credits(self) -> bool:
        """Whether what it learned of a visit can be corrected: see `credit`."""
        return False

    def credit(self, feedback: Feedback, conversions: Tensor) -> None:
        """Corrects what visits were learned to have earned: by conversions that came late, or that never came.

        Args:
            feedback: visits that were learned from before.
            conversions: [B, L] by which each slot's count goes up, or down.

        Raises:
            InputError: this agent has no way to, or naming what does not fit.
        """
        raise InputError(f"{type(self).__name__}: conversions cannot be added later; give them with their visits")

    @abstractmethod
    def expected_worth(self, impressions: Impressions, candidates: Tensor) -> Tensor:
        """[B] what the best slate is believed to earn, by what was learned so far; nothing is drawn."""

    @abstractmethod
    def add_arms(self, n: int, expectation: Expectation | None = None) -> None:
        """Makes room for n more creatives, of which nothing is known, or what is expected."""

    def add_successors(self, arms: Tensor) -> None:
        """Makes room for a new creative after each of [n] arms; what is known of that arm is believed of it, where the
        agent can say so.
        """
        self.add_arms(len(arms))

    def remove_arms(self, arms: Tensor) -> None:
        """Takes [n] arms out of service: `act` refuses them. Late feedback to them is still learned from.

        Raises:
            InputError: this agent has no way to.
        """
        raise InputError(f"{type(self).__name__}: its arms cannot be removed; leave them out of the candidates")

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """All that was learned."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Takes over what was learned.

        Raises:
            ValueError: naming the first tensor that does not fit; the agent is left as it was.
        """


@dataclass(frozen=True)
class Worth:
    """What a slot's feedback is worth to an agent, and as how much of a trial it counts: see `clicks`."""

    examination: Tensor
    """[channels, L] probability that a slot is looked at where nothing above it was clicked."""
    conversion_value: float = 0.0
    """Worth of a conversion in clicks."""
    going_on: float = 1.0
    """Chance of reading on after a click: 1 in the position-based model, 0 in the cascade, between: dependent clicks"""
    click_cost: Tensor | None = None
    """[channels] what a click costs, in clicks' worth; it is taken off."""

    @property
    def largest(self) -> float:
        """The largest reward of a trial."""
        return 1 + self.conversion_value

    def of_slate(self, worth: Tensor, channel: Tensor) -> Tensor:
        """[B] worth of slates whose creatives are worth [B, L] a trial, best first, each in the slot most looked at.

        Clicks that keep visitors from the slots below are left out: an upper bound in the cascade.
        """
        seen = self.examination.sort(dim=1, descending=True).values[channel, : worth.shape[1]]
        return (seen * worth).sum(1)

    @staticmethod
    def of(world: "World", conversion_value: float = CONVERSION_VALUE, click_cost: Tensor | None = None) -> "Worth":
        """Worth in a world: its slots are examined as its scenario says, and read on after a click as often."""
        return Worth(world.examination, conversion_value, world.scenario.reads_on, click_cost)

    def trials(self, feedback: Feedback) -> Tensor:
        """[B, L] share of a trial each slot counts for."""
        examined = self.examination[feedback.impressions.channel, : feedback.slates.shape[1]]
        return examined if self.going_on == 1.0 else examined_trials(examined, feedback.clicked, self.going_on)

    def rewards(self, feedback: Feedback) -> Tensor:
        """[B, L] worth of what happened."""
        worth = feedback.clicked.float()
        if self.click_cost is not None:
            worth = worth * (1 - self.click_cost[feedback.impressions.channel])[:, None]
        return worth + self.conversion_value * feedback.converted if self.conversion_value else worth
