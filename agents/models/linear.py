"""Disjoint linear model: a ridge regression for every arm, all of them scored as one matrix product.

For arm k, A = s I + sum theta x x' and b = s m + sum r x, with prior mean m of strength s (Li, Chu, Langford and
Schapire, "A contextual-bandit approach to personalized news article recommendation", WWW 2010, algorithm 1).

Sums are kept in float64; inverse and mean in float32, computed anew when an arm is scored after a batch: refined from
the inverse of before where little changed, by Cholesky in float64 otherwise and every `REFRESH` batches. Single rows
change the inverse by a rank-1 update (Sherman and Morrison, 1950), which drifts; every `REFRESH` of them the arm is
computed anew as well.
"""

from typing import Any

import numpy as np
import torch
from scipy.linalg import blas
from torch import Tensor

from .chunks import CHUNK, cut
from .posterior import LIKENESS, Model, Posterior, Prior
from .widths import LinearPosterior, Triangle

REFRESH = 256
"""Rank-1 updates of an arm, or refined batches, between exact recomputations."""
SMALL = 1 << 19
"""Numbers up to which outer products are summed at once; twice as many on a GPU, where an operation costs a launch."""
NEAR, CLOSE = 0.5, 2e-5
"""How far off an inverse may be to be refined, and how far off it may stay."""


def invert(precision: Tensor) -> Tensor:
    """Inverses of positive definite matrices, [K, d, d]."""
    factor, _ = torch.linalg.cholesky_ex(precision)
    # LAPACK leaves columns in a row; the transpose of a symmetric matrix is itself, and lies as torch expects.
    return torch.cholesky_inverse(factor).mT


def refine(precision: Tensor, inverse: Tensor) -> Tensor | None:
    """Inverses from those of slightly smaller matrices, by Newton's method (Schulz, 1933): X <- X + X (I - A X).

    With R = I - A X the error of a step is R^2, of two steps R^4, and so on; it does not add up over batches. The last
    step is X + X (R + R^2) where its error, R^3, is small enough. On the CPU only, where looking at R costs nothing.

    Args:
        precision: [n, d, d], float32.
        inverse: [n, d, d] of before; not overwritten.

    Returns:
        Inverses with a relative error of at most `CLOSE`; None where R is too large for it to be worthwhile.
    """
    identity = torch.eye(precision.shape[1], dtype=precision.dtype)
    residual = torch.baddbmm(identity, precision, inverse, alpha=-1)
    size = float(torch.linalg.vector_norm(residual, dim=(1, 2)).max())
    if not size < NEAR:
        return None
    while size**3 >= CLOSE:
        inverse = torch.baddbmm(inverse, inverse, residual)
        residual = torch.bmm(residual, residual)
        size = float(torch.linalg.vector_norm(residual, dim=(1, 2)).max())
    if size**2 >= CLOSE:
        residual = torch.baddbmm(residual, residual, residual)
    return torch.baddbmm(inverse, inverse, residual)


def grams(contexts: Tensor, arms: Tensor, trials: Tensor, count: int) -> Tensor:
    """Sum of trials x x' by arm: [N, d], [N], [N] -> [count, d, d].

    A small batch is multiplied out, N x d x d. A larger one is cut into chunks of one arm, at most N / CHUNK + count of
    them whatever the arms are: one batched product.
    """
    n, d = contexts.shape
    if n * d * d <= SMALL * (2 if contexts.is_cuda else 1):
        outer = (contexts * trials[:, None])[:, :, None] * contexts[:, None]
        return contexts.new_zeros(count, d * d).index_add_(0, arms, outer.flatten(1)).view(count, d, d)
    order, place, arm_of = cut(arms, count)
    # Places that no row takes read row 0, with no weight.
    source = order.new_zeros(len(arm_of) * CHUNK).scatter_(0, place, order)
    weight = trials.new_zeros(len(source)).scatter_(0, place, trials.index_select(0, order))
    rows = contexts.index_select(0, source)
    shape = (-1, CHUNK, d)
    products = torch.bmm((rows * weight[:, None]).view(shape).mT, rows.view(shape))
    return contexts.new_zeros(count, d, d).index_add_(0, arm_of, products)


class DisjointLinear(Model):
    """Keeps sums, inverse and mean of every arm."""

    def __init__(self, arms: int, width: int, device: torch.device, ridge: float = 1.0) -> None:
        """Arms believe in zero weights with strength `ridge`, until a prior says otherwise."""
        self.arms, self.width, self.device, self.ridge = 0, width, device, ridge
        self.triangle = Triangle(width, device)
        self._learned: dict[str, Tensor] = {
            "gram": torch.zeros(0, width, width, dtype=torch.float64, device=device),
            "response": torch.zeros(0, width, dtype=torch.float64, device=device),
            "prior_mean": torch.zeros(0, width, dtype=torch.float64, device=device),
            "prior_strength": torch.zeros(0, dtype=torch.float64, device=device),
        }
        self.add_arms(arms)

    def posterior(self, contexts: Tensor, candidates: Tensor) -> Posterior:
        """See `Model.posterior`; the deviation is sqrt(x' A^-1 x)."""
        self._catch_up()
        inverse, mean = self.inverse, self.mean
        if len(candidates) != self.arms or not self._in_order(candidates):
            inverse, mean = inverse[candidates], mean[candidates]
        return LinearPosterior(mean @ contexts.T, contexts, inverse, self.triangle)

    def learn(self, contexts: Tensor, arms: Tensor, trials: Tensor, rewards: Tensor) -> None:
        """See `Model.learn`."""
        self._learned["gram"] += grams(contexts, arms, trials, self.arms)
        weighted = torch.zeros_like(self.mean).index_add_(0, arms, rewards[:, None] * contexts)
        self._learned["response"] += weighted
        self._stale[arms] = True
        self._all_fresh = False

    def discount(self, factor: float) -> None:
        """See `Model.discount` (Russac, Vernade and Cappe, "Weighted linear bandits", NeurIPS 2019)."""
        self._learned["gram"] *= factor
        self._learned["response"] *= factor
        self._stale.fill_(True)
        self._all_fresh = False

    def add_arms(self, n: int, prior: Prior | None = None, features: Tensor | None = None) -> None:
        """See `Model.add_arms`; a prior mean of shape [n] is the expected worth where the context's first feature, the
        constant, is 1 and the others do not matter.
        """
        mean, strength = self._prior(n, prior)
        shape = (n, self.width, self.width)
        grown = {"gram": strength.new_zeros(shape), "response": torch.zeros_like(mean)}
        grown |= {"prior_mean": mean, "prior_strength": strength}
        self._learned = {name: torch.cat([value, grown[name]]) for name, value in self._learned.items()}
        self.arms += n
        self.refresh()

    def expect(self, prior: Prior) -> None:
        """See `Model.expect`."""
        self._learned["prior_mean"], self._learned["prior_strength"] = self._prior(self.arms, prior)
        self.refresh()

    def prior(self, worth: Tensor, trials: float) -> Prior:
        """See `Model.prior`: the worth on the constant, every weight as sure as the constant would be."""
        return Prior(worth, trials + self.ridge)

    def belief(self, arms: Tensor) -> Prior | None:
        """See `Model.belief`: the arms' mean weights."""
        self._catch_up()
        return Prior(self.mean[arms].clone(), LIKENESS)

    def tensors(self) -> dict[str, Tensor]:
        """See `Model.tensors`."""
        return self._learned

    def refresh(self) -> None:
        """See `Model.refresh`."""
        self.inverse = torch.zeros(self.arms, self.width, self.width, device=self.device)
        self.mean = torch.zeros(self.arms, self.width, device=self.device)
        self._stale = torch.ones(self.arms, dtype=torch.bool, device=self.device)
        self._since, self._recomputed = [0] * self.arms, 0
        self._all_fresh = False
        self._views = None if self.device.type != "cpu" else _Views(self)
        self._seen: Tensor | None = None

    def _prior(self, n: int, prior: Prior | None) -> tuple[Tensor, Tensor]:
        """Means [n, d] and strengths [n]."""
        mean = torch.zeros(n, self.width, dtype=torch.float64, device=self.device)
        strength = torch.full((n,), self.ridge, dtype=torch.float64, device=self.device)
        if prior is not None:
            mean[:, : 1 if prior.mean.dim() == 1 else None] = prior.mean.to(mean).view(n, -1)
            strength[:] = torch.as_tensor(prior.strength).to(strength)
        return mean, strength

    def _in_order(self, candidates: Tensor) -> bool:
        """Whether candidates are all arms in order; the last tensor seen is remembered."""
        if candidates is not self._seen:
            self._ordered = bool((candidates == torch.arange(self.arms, device=self.device)).all())
            self._seen = candidates
        return self._ordered

    def _catch_up(self) -> None:
        """Recomputes what changed; on a GPU all arms, as asking which would stall."""
        if not self._all_fresh:
            arms = torch.arange(self.arms, device=self.device) if self._stale.is_cuda else self._stale.nonzero()[:, 0]
            self._recompute(arms)
            self._all_fresh = True

    def _recompute(self, arms: Tensor) -> None:
        everything = len(arms) == self.arms
        sums = [v if everything else v[arms] for v in self._learned.values()]
        self._recomputed += 1
        before = self.inverse if everything else self.inverse[arms]
        exact = self.inverse.is_cuda or self._recomputed % REFRESH == 0
        found = None if exact else self._refined(before, *sums)
        inverse, mean = self._solve(*sums) if found is None else found
        inverse = inverse.float()
        for mine, new in ((self.inverse, inverse), (self.mean, mean)):
            if everything:
                mine.copy_(new)
            else:
                mine[arms] = new.float()
        self._stale.fill_(False)

    def _refined(
        self, inverse: Tensor, gram: Tensor, response: Tensor, prior: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        """What `_solve` finds, from the inverses of before; None where these are of little use."""
        precision = gram.float()
        precision.diagonal(dim1=1, dim2=2).add_(strength[:, None])
        refined = refine(precision, inverse)
        if refined is None:
            return None
        return refined, (refined * torch.addcmul(response, strength[:, None], prior).float()[:, None]).sum(2)

    def _solve(self, gram: Tensor, response: Tensor, prior: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        """Inverses [n, d, d] and means [n, d] of some arms, in float64."""
        precision = gram.clone()
        precision.diagonal(dim1=1, dim2=2).add_(strength[:, None])
        inverse = invert(precision)
        return inverse, (inverse * torch.addcmul(response, strength[:, None], prior)[:, None]).sum(2)

    def score_one(self, x: np.ndarray, candidates: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation for one context, [K] each; `candidates` None for all arms in order. On the CPU only."""
        if not self._all_fresh:
            self._catch_up()
        views: Any = self._views
        mean = views.mean.dot(x)
        variance = views.tall.dot(x).reshape(self.arms, self.width).dot(x)
        if candidates is not None:
            mean, variance = mean[candidates], variance[candidates]
        # Rounding may leave a variance of nothing just below 0.
        return mean, np.sqrt(np.abs(variance, out=variance), out=variance)

    def learn_one(self, x: np.ndarray, arm: int, trial: float, reward: float) -> None:
        """One row, by a rank-1 update of the arm's inverse. On the CPU only."""
        views: Any = self._views
        wide = x.astype(np.float64)
        # These BLAS routines write into the arrays they are given: columns of the transpose are rows of ours.
        blas.dger(trial, wide, wide, a=views.gram[arm].T, overwrite_a=1)
        if reward:
            blas.daxpy(wide, views.response[arm], a=reward)
        self._since[arm] += 1
        if self._since[arm] >= REFRESH or not self._all_fresh:
            self._since[arm] = 0
            self._stale[arm] = True
            self._all_fresh = False
            return
        inverse, mean = views.inverse[arm], views.mean[arm]
        along = inverse.dot(x)
        # With u = A^-1 x: A^-1 shrinks by theta u u' / (1 + theta x'u), the mean moves by that gain times the error.
        gain = 1.0 / (1.0 + trial * float(along.dot(x)))
        blas.saxpy(along, mean, a=gain * (reward - trial * float(mean.dot(x))))
        blas.sger(-trial * gain, along, along, a=inverse.T, overwrite_a=1)


class _Views:
    """The same memory as numpy arrays."""

    def __init__(self, model: DisjointLinear) -> None:
        self.gram = model.tensors()["gram"].numpy()
        self.response = model.tensors()["response"].numpy()
        self.inverse, self.mean = model.inverse.numpy(), model.mean.numpy()
        self.tall = self.inverse.reshape(-1, model.width)
