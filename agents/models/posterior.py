"""What a model believes of the worth of each candidate for each visitor, and the contract of models."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


class Posterior:
    """Belief about the worth of K candidates for B visitors; independent and normal unless it says otherwise."""

    independent_normal: bool = True

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        """Keeps [B, K] means, and posterior standard deviations or widths of a confidence bound."""
        self.mean = mean
        self._deviation: Tensor | None = deviation

    @property
    def deviation(self) -> Tensor:
        """[B, K] posterior standard deviation, or the width of a confidence bound."""
        assert self._deviation is not None
        return self._deviation

    def bounds(self, scale: float) -> Tensor:
        """[B, K] mean + scale * deviation."""
        return torch.add(self.mean, self.deviation, alpha=scale) if scale else self.mean

    def draw(self, generator: torch.Generator, scale: float = 1.0) -> Tensor:
        """[B, K] one draw, the deviation times `scale`."""
        return self.drawn(self.noise(generator), scale)

    def drawn(self, noise: Tensor, scale: float) -> Tensor:
        """[B, K] the draw that [B, K] standard normal numbers make."""
        return torch.addcmul(self.mean, self.deviation, noise, value=scale)

    def leader(self, scale: float, opened: Tensor | None = None, noise: Tensor | None = None) -> Tensor | None:
        """[B] which open candidate has the largest bound, or the largest draw made of `noise`; None where it takes all
        scores to say so, or where others are as good.
        """
        return None

    def noise(self, generator: torch.Generator) -> Tensor:
        """[B, K] standard normal draws, laid out in memory as the mean is."""
        b, k = self.mean.shape
        return torch.randn(k, b, generator=generator, device=self.mean.device).T


class Favoured(Posterior):
    """A belief with something added to what candidates are worth: who is favoured is chosen oftener."""

    def __init__(self, belief: Posterior, favour: Tensor) -> None:
        """Adds [B, K] times the spread of a row's means, averaged over the rows: a belief has no scale of its own."""
        spread = (belief.mean.amax(1) - belief.mean.amin(1)).mean()
        self._belief, self._extra = belief, spread * favour
        super().__init__(belief.mean + self._extra, belief.deviation)
        self.independent_normal = belief.independent_normal

    def draw(self, generator: torch.Generator, scale: float = 1.0) -> Tensor:
        """See `Posterior.draw`; what is not normal is drawn as it is, and then added to."""
        if self.independent_normal:
            return super().draw(generator, scale)
        return self._belief.draw(generator, scale) + self._extra


LIKENESS = 10.0
"""Trials that what is known of one creative counts for when it is believed of another that takes its place."""


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

    def worth(self, mean: Tensor) -> Tensor:
        """Expected worth of a trial, of the same shape as posterior means."""
        return mean

    def prior(self, worth: Tensor, trials: float) -> Prior:
        """The prior of n arms that are expected to earn [n] a trial, as sure as after so many trials."""
        return Prior(worth, trials)

    @abstractmethod
    def expect(self, prior: Prior) -> None:
        """Believes a prior of all arms instead of the one that they were made with."""

    def belief(self, arms: Tensor) -> Prior | None:
        """What is known of [n] arms, as a prior for others like them; None where the model cannot say."""
        return None

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Everything learned, by name: the model's own tensors, not copies."""

    def refresh(self) -> None:  # noqa: B027 - most models have nothing to recompute
        """Recomputes what follows from `tensors()`; called when they were overwritten."""
