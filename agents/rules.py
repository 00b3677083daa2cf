"""From belief to choice: how one slot is filled, and with which probability.

A rule fills one slot at a time among the candidates still open; a slate is filled from the top. Propensities are
therefore conditional on the slots above, and exact wherever `distribution` has a closed form.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .models.posterior import Posterior
from .models.widths import TIE


class Rule(ABC):
    """Fills one slot."""

    exact = True
    """Whether `distribution` has a closed form."""

    @abstractmethod
    def distribution(self, belief: Posterior, opened: Tensor | None) -> Tensor:
        """[B, K] probability of each candidate; `opened` is [B, K] bool, None where all are open."""

    def pick(
        self, belief: Posterior, opened: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """[B] candidate chosen for each visitor and [B] its probability."""
        return sample(self.distribution(belief, opened), generator)


@dataclass(frozen=True)
class Uniform(Rule):
    """All open candidates alike."""

    def distribution(self, belief: Posterior, opened: Tensor | None) -> Tensor:
        """See `Rule.distribution`."""
        chance = torch.ones_like(belief.mean) if opened is None else opened.float()
        return chance / chance.sum(1, keepdim=True)


@dataclass(frozen=True)
class UpperBound(Rule):
    """The largest mean + scale * deviation, equal ones at random: optimism (Auer, Cesa-Bianchi and Fischer, 2002).

    With scale 0 it is greedy; with a propensity floor of epsilon / K that is epsilon-greedy.
    """

    scale: float = 1.0

    def distribution(self, belief: Posterior, opened: Tensor | None) -> Tensor:
        """See `Rule.distribution`."""
        tied = tied_best(belief.bounds(self.scale), opened).float()
        return tied / tied.sum(1, keepdim=True)

    def pick(
        self, belief: Posterior, opened: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """See `Rule.pick`; ties are rare once something was learned, and then nothing is drawn."""
        index = belief.leader(self.scale, opened)
        if index is not None:
            return index, torch.ones(len(index), device=index.device)
        score = belief.bounds(self.scale)
        if opened is not None:
            score = score.masked_fill(~opened, -torch.inf)
        best = score.amax(1)
        index = only_one(score, best - TIE * best.abs())
        if index is not None:
            return index, torch.ones_like(best)
        tied = tied_best(score).float()
        return sample(tied / tied.sum(1, keepdim=True), generator)

    def pick_one(self, mean: np.ndarray, deviation: np.ndarray, generator: torch.Generator) -> tuple[int, float]:
        """`pick` for a single visitor on the CPU: [K], [K] float32, of which the deviation is overwritten."""
        score = deviation
        score *= self.scale
        score += mean
        index = int(score.argmax())
        best = score.item(index)
        tied = score >= best - TIE * abs(best)
        count = int(np.count_nonzero(tied))
        if count > 1:
            index = int(tied.nonzero()[0][int(torch.randint(count, (), generator=generator))])
        return index, 1.0 / count


@dataclass(frozen=True)
class Thompson(Rule):
    """The best under one draw from the belief, drawn afresh for every slot (Thompson, 1933; Chapelle and Li, 2011)."""

    scale: float = 1.0
    exact = False

    def distribution(self, belief: Posterior, opened: Tensor | None) -> Tensor:
        """See `propensity`: there are estimates only."""
        raise NotImplementedError("Thompson sampling has no closed form; use estimate_propensities")

    def pick(
        self, belief: Posterior, opened: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """See `Rule.pick`."""
        if belief.independent_normal:
            noise = belief.noise(generator)
            index = belief.leader(self.scale, opened, noise)
            if index is not None:
                return index, None
            score = belief.drawn(noise, self.scale)
        else:
            score = belief.draw(generator, self.scale)
        if opened is not None:
            score = score.masked_fill(~opened, -torch.inf)
        return argmax(score), None

    def pick_one(self, mean: np.ndarray, deviation: np.ndarray, generator: torch.Generator) -> tuple[int, None]:
        """`pick` for a single visitor on the CPU: [K], [K] float32, normal and independent."""
        noise = torch.randn(len(mean), generator=generator).numpy()
        noise *= deviation
        noise *= self.scale
        noise += mean
        return int(noise.argmax()), None


@dataclass(frozen=True)
class InverseGap(Rule):
    """Inverse gap weighting, the exploration of SquareCB (Abe and Long, 1999; Foster and Rakhlin, ICML 2020).

    Among n open candidates one that trails the best by g has probability 1 / (n + gamma g); the best has the rest.
    Gaps are in units of the reward: between click rates they are a few hundredths, and gamma has to be large.
    """

    gamma: float = 100.0

    def distribution(self, belief: Posterior, opened: Tensor | None) -> Tensor:
        """See `Rule.distribution`."""
        mean = belief.mean if opened is None else belief.mean.masked_fill(~opened, -torch.inf)
        best, index = mean.max(1, keepdim=True)
        n = mean.shape[1] if opened is None else opened.sum(1, keepdim=True)
        chance = (1 / (n + self.gamma * (best - mean))).scatter_(1, index, 0.0)
        return chance.scatter_(1, index, 1 - chance.sum(1, keepdim=True))


@dataclass(frozen=True)
class Softmax(Rule):
    """Boltzmann exploration: probability proportional to exp(mean / temperature)."""

    temperature: float = 0.05

    def distribution(self, belief: Posterior, opened: Tensor | None) -> Tensor:
        """See `Rule.distribution`."""
        score = belief.mean if opened is None else belief.mean.masked_fill(~opened, -torch.inf)
        return (score / self.temperature).softmax(1)


def argmax(score: Tensor) -> Tensor:
    """[B] index of the largest of [B, K]; on the CPU much faster than torch's own."""
    index = only_one(score, score.amax(1))
    return score.argmax(1) if index is None else index


def only_one(score: Tensor, least: Tensor) -> Tensor | None:
    """[B] index of what reaches [B] `least` in each row of [B, K], as its best does; None if a row has several, or
    on a GPU, where asking stalls.
    """
    if score.is_cuda:
        return None
    # Scores are the transpose of a contiguous [K, B] product; numpy compares several times as fast as torch.
    reached = np.flatnonzero(score.T.numpy() >= least.numpy())
    if len(reached) != len(score):
        return None
    item, row = np.divmod(reached, len(score))
    index = np.zeros(len(score), dtype=np.int64)
    index[row] = item
    return torch.from_numpy(index)


def tied_best(score: Tensor, opened: Tensor | None = None) -> Tensor:
    """[B, K] bool: the open candidates whose score equals the best, up to `TIE`."""
    if opened is not None:
        score = score.masked_fill(~opened, -torch.inf)
    best = score.amax(1, keepdim=True)
    return score >= best - TIE * best.abs()


def with_floor(chance: Tensor, opened: Tensor | None, floor: float) -> Tensor:
    """Mixes [B, K] probabilities with uniform choice so that every open candidate has at least `floor`.

    Where n are open, p becomes (1 - n floor) p + floor; should n floor exceed 1, the choice is uniform.
    """
    open_ = torch.ones_like(chance) if opened is None else opened.float()
    n = open_.sum(1, keepdim=True)
    share = (n * floor).clamp(max=1)
    return (1 - share) * chance + share * open_ / n


def sample(chance: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws an index from each row of [B, K] probabilities: [B] indices, [B] their probabilities."""
    reached = chance.cumsum(1)
    # Just under 1, so that rounding never leads past the last candidate that has a probability.
    draw = torch.rand(len(chance), 1, generator=generator, device=chance.device) * (1 - 2**-22)
    index = (reached <= draw * reached[:, -1:]).sum(1).clamp(max=chance.shape[1] - 1)
    return index, chance.gather(1, index[:, None]).squeeze(1)
