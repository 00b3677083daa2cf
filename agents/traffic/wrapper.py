"""An agent around an agent: what changes how traffic reaches it, whoever it is."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ...simulation.visits import Feedback, Impressions
from ..agent import Decision, Expectation, PlacementAgent


class Wrapper(PlacementAgent):
    """Hands everything on to the agent inside; subclasses change what they are about."""

    kind: ClassVar[str]
    """Name on disk; see `WRAPPERS` in `agents/state.py`."""

    def __init__(self, agent: PlacementAgent) -> None:
        """Puts a wrapper around an agent."""
        super().__init__(agent.arms, agent.slots, agent.generator)
        self.agent, self.labels = agent, agent.labels

    @property
    def on_show(self) -> Tensor:
        """See `PlacementAgent.on_show`."""
        return self.agent.on_show

    def act(self, impressions: Impressions, candidates: Tensor, opened: Tensor | None = None) -> Decision:
        """See `PlacementAgent.act`."""
        return self.agent.act(impressions, candidates, opened)

    def update(self, feedback: Feedback) -> None:
        """See `PlacementAgent.update`."""
        self.agent.update(feedback)

    def admit(self, feedback: Feedback) -> Feedback:
        """See `PlacementAgent.admit`."""
        return self.agent.admit(feedback)

    @property
    def credits(self) -> bool:
        """See `PlacementAgent.credits`."""
        return self.agent.credits

    def credit(self, feedback: Feedback, conversions: Tensor) -> None:
        """See `PlacementAgent.credit`."""
        self.agent.credit(feedback, conversions)

    def expected_worth(self, impressions: Impressions, candidates: Tensor) -> Tensor:
        """See `PlacementAgent.expected_worth`."""
        return self.agent.expected_worth(impressions, candidates)

    def add_arms(self, n: int, expectation: Expectation | None = None) -> None:
        """See `PlacementAgent.add_arms`."""
        self.agent.add_arms(n, expectation)
        self.arms = self.agent.arms

    def add_successors(self, arms: Tensor) -> None:
        """See `PlacementAgent.add_successors`."""
        self.agent.add_successors(arms)
        self.arms = self.agent.arms

    def remove_arms(self, arms: Tensor) -> None:
        """See `PlacementAgent.remove_arms`."""
        self.agent.remove_arms(arms)

    def figures(self) -> dict[str, float]:
        """What there is to tell of it after serving; nothing by default."""
        return {}

    def own_state(self) -> dict[str, Tensor]:
        """What the wrapper itself has to remember; nothing by default."""
        return {}

    def load_own_state(self, state: dict[str, Tensor]) -> None:
        """Takes over what `own_state` gave."""

    def state_dict(self) -> dict[str, Tensor]:
        """What the agent inside has learned, and what the wrapper remembers, under its kind's name."""
        own = {f"{self.kind}.{name}": value for name, value in self.own_state().items()}
        return self.agent.state_dict() | own

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """See `PlacementAgent.load_state_dict`."""
        prefix = f"{self.kind}."
        self.agent.load_state_dict({name: value for name, value in state.items() if not name.startswith(prefix)})
        self.load_own_state(
            {
                name.removeprefix(prefix): value.to(self.device).clone()
                for name, value in state.items()
                if name.startswith(prefix)
            }
        )

    def settings(self) -> dict[str, Any]:
        """What it is made from besides the agent, as JSON; what it learns belongs into `state_dict`."""
        return {}

    @classmethod
    def restore(cls, agent: PlacementAgent, settings: dict[str, Any]) -> Self:
        """Stands before an agent again, from what `settings` gave."""
        raise NotImplementedError


def figures_of(agent: PlacementAgent) -> dict[str, float]:
    """What all wrappers around an agent have to tell."""
    return figures_of(agent.agent) | agent.figures() if isinstance(agent, Wrapper) else {}


def joined(decisions: Sequence[Decision], places: Sequence[Tensor]) -> Decision:
    """One decision of several: the rows of each stand at [n] places, which together are all."""
    order = torch.cat(list(places)).argsort()
    return Decision(
        torch.cat([decision.slates for decision in decisions])[order],
        _column([decision.propensities for decision in decisions], order),
        _column([decision.numbers for decision in decisions], order),
    )


def _column(parts: Sequence[Tensor | None], order: Tensor) -> Tensor | None:
    known = [part for part in parts if part is not None]
    return torch.cat(known)[order] if len(known) == len(parts) else None
