"""What a model believes of the worth of each candidate for each visitor, and the contract of models."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class Posterior:
    """Belief about the worth of K candidates for B visitors; independent normals unless a subclass says otherwise."""

    mean: Tensor
    """[B, K]."""
    deviation: Tensor
    """[B, K] posterior standard deviation, or the width of a confidence bound."""

    independent_normal: ClassVar[bool] = True

    def draw(self, generator: torch.Generator, scale: float = 1.0) -> Tensor:
        """[B, K] one draw, the deviation times `scale`."""
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device)
        return torch.addcmul(self.mean, self.deviation, noise, value=scale)

    def __getitem__(self, rows: Tensor | slice) -> "Posterior":
        return Posterior(self.mean[rows], self.deviation[rows])


@dataclass(frozen=True)
class Prior:
    """What is believed of n arms before they are shown; data, from an effect model say."""

    mean: Tensor
    """[n] expected worth of a trial, or [n, d] weights on the context."""
    strength: Tensor | float = 1.0
    """[n] or one for all: precision of that belief, in trials."""


class Model(ABC):
    """Learns from (context, arm, trials, reward) rows, and says what it believes."""

    arms: int
    keeps_window: ClassVar[bool] = False
    """Whether the model forgets old rows by itself."""

    def prepare(self, contexts: Tensor, arms: Tensor, trials: Tensor, rewards: Tensor) -> tuple[Tensor, ...]:
        """The rows that `learn` will be given for these; the same ones are taken back later."""
        return contexts, arms, trials, rewards

    @abstractmethod
    def posterior(self, contexts: Tensor, candidates: Tensor) -> Posterior:
        """Belief for [B, d] contexts about [K] candidates."""

    @abstractmethod
    def learn(self, contexts: Tensor, arms: Tensor, trials: Tensor, rewards: Tensor) -> None:
        """Adds N rows: [N, d], [N], [N], [N]. Rows with trials and rewards negated take earlier rows back."""

    @abstractmethod
    def discount(self, factor: float) -> None:
        """Lets what was learned so far (not the prior) count `factor` times as much."""

    @abstractmethod
    def add_arms(self, n: int, prior: Prior | None = None, features: Tensor | None = None) -> None:
        """New arms start from the prior; `features` is [n, f] for models that share what they learn across arms."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Everything learned, by name: the model's own tensors, not copies."""

    def refresh(self) -> None:  # noqa: B027 - most models have nothing to recompute
        """Recomputes what follows from `tensors()`; called when they were overwritten."""
