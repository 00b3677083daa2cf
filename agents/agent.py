"""The contract of placement agents."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ..simulation.traffic import Impressions
from ..simulation.world import Feedback


@dataclass(frozen=True)
class Decision:
    """Slates for B impressions."""

    slates: Tensor
    """[B, L] int64, creative indices, best slot first."""
    propensities: Tensor | None
    """[B, L] probability with which each slot's creative was chosen given the slots above; None if not known in
    closed form."""


class PlacementAgent(ABC):
    """Decides which creative goes into which slot for whom, and learns from what comes back.

    Arms are creatives: row i of an agent's tables is the world's creative i. `add_arms` makes room for more.
    """

    def __init__(self, arms: int, slots: int, generator: torch.Generator) -> None:
        """Sets sizes; the agent lives on the generator's device."""
        self.arms, self.slots, self.generator = arms, slots, generator

    @property
    def device(self) -> torch.device:
        """Where the tables are."""
        return self.generator.device

    @abstractmethod
    def act(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """Chooses slates of L different candidates; `candidates` is [K] int64, K >= L."""

    @abstractmethod
    def update(self, feedback: Feedback) -> None:
        """Learns from shown slates."""

    def add_arms(self, n: int) -> None:
        """Makes room for n more creatives."""
        self.arms += n

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """All that was learned."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Takes over what was learned; names and shapes must match.

        Raises:
            ValueError: naming the first tensor that does not fit; the agent is left as it was.
        """
        own = self.state_dict()
        for name in sorted(own.keys() | state.keys()):
            if name not in own or name not in state or own[name].shape != state[name].shape:
                raise ValueError(f"state does not fit this agent: '{name}' is missing, unknown or of another shape")
        for name, value in own.items():
            value.copy_(state[name])


@dataclass(frozen=True)
class Worth:
    """What a slot's feedback is worth to an agent: clicks plus `conversion_value` times conversions, corrected for
    examination.

    Under the position-based model a slot shown in a place that is examined with probability theta counts as theta of a
    trial (Lagree, Vernade and Cappe, "Multiple-play bandits in the position-based model", NeurIPS 2016).
    """

    examination: Tensor
    """[channels, L] probability that a slot is looked at, relative to the top slot."""
    conversion_value: float = 0.0

    def trials(self, feedback: Feedback) -> Tensor:
        """[B, L] share of a trial each slot counts for."""
        return self.examination[feedback.impressions.channel]

    def rewards(self, feedback: Feedback) -> Tensor:
        """[B, L] worth of what happened."""
        return feedback.clicked.float() + self.conversion_value * feedback.converted.float()


def top_candidates(score: Tensor, candidates: Tensor, slots: int) -> Tensor:
    """[B, L] candidates of highest score: [B, K] scores over [K] candidates."""
    return candidates[score.topk(slots, dim=1).indices]


def break_ties(score: Tensor, generator: torch.Generator) -> Tensor:
    """Adds noise far below any real difference, so that equal scores are ordered at random in every row."""
    scale = 1e-6 * score.abs().amax().clamp(min=1e-6)
    return score + scale * torch.rand(score.shape, generator=generator, device=score.device)
