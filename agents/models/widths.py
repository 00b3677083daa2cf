"""Widths of confidence of a linear model, sqrt(x' A^-1 x), for many visitors and candidates at once.

All of them are one matrix product on packed triangles; where only the best of a row is asked for, few are computed.
"""

import numpy as np
import torch
from torch import Tensor

from .posterior import Posterior

PAIRS = 32
"""Pairs of a context and an arm whose width is computed at once."""
FEW = 8
"""Widths are computed one by one where less than one in so many is needed."""
BLOCK = 4
"""Rows of the triangle that are multiplied at once."""


class Triangle:
    """Packs symmetric d x d matrices by their upper triangle, whole along the diagonal in blocks of `BLOCK`.

    About half of the d^2 products need to be computed then, and blocks are made of few large multiplications.
    """

    def __init__(self, width: int, device: torch.device) -> None:
        """Places of the triangle."""
        self.starts = range(0, width, BLOCK)
        places = [(i, j) for s in self.starts for i in range(s, min(s + BLOCK, width)) for j in range(s, width)]
        row, column = torch.tensor(places, device=device).T
        self.flat = row * width + column
        self._scratch: Tensor | None = None
        # Outside the blocks on the diagonal each number stands for two.
        self.twice = torch.where(column // BLOCK == row // BLOCK, 1.0, 2.0)

    def products(self, contexts: Tensor) -> Tensor:
        """Products x_i x_j of the places: [B, d] -> [p, B], good until the next call."""
        turned = contexts.T.contiguous()
        if self._scratch is None or self._scratch.shape[1] != len(contexts):
            # Kept between calls: fresh memory of this size costs more than what is written into it.
            self._scratch = torch.empty(len(self.flat), len(contexts), dtype=contexts.dtype, device=contexts.device)
        out = self._scratch
        done = 0
        for start in self.starts:
            upper, rest = turned[start : start + BLOCK], turned[start:]
            size = len(upper) * len(rest)
            torch.mul(upper[:, None], rest, out=out[done : done + size].view(len(upper), len(rest), -1))
            done += size
        return out

    def pack(self, matrices: Tensor) -> Tensor:
        """[K, d, d] symmetric -> [K, p], so that `pack(M) @ products(x)` is x' M x for all pairs."""
        return matrices.flatten(1).index_select(1, self.flat).mul_(self.twice)


class LinearPosterior(Posterior):
    """Computes widths when they are asked for; to find the best of a row, of candidates that may be the best alone.

    A width is at most sqrt(lambda |x|^2), where lambda is the largest absolute row sum of A^-1 and so no less than its
    largest eigenvalue (Gershgorin, 1931). Once something was learned, a few in a hundred may still win.
    """

    def __init__(self, mean: Tensor, contexts: Tensor, inverse: Tensor, packed: Tensor, triangle: Triangle) -> None:
        """Of [K, B] means, [B, d] contexts and the model's tables for K candidates; good until the model learns."""
        self.mean = mean.T
        self._deviation = None
        self._turned, self._contexts = mean, contexts
        self._inverse, self._packed, self._triangle = inverse, packed, triangle

    @property
    def deviation(self) -> Tensor:
        """[B, K] sqrt(x' A^-1 x)."""
        if self._deviation is None:
            variance = self._packed @ self._triangle.products(self._contexts)
            self._deviation = variance.clamp_(min=0).sqrt_().T
        return self._deviation

    def bounds(self, scale: float) -> Tensor:
        """See `Posterior.bounds`."""
        if self._full() or not scale:
            return super().bounds(scale)
        largest = torch.addr(self._turned, self._most(), self._contexts.square().sum(1).sqrt(), alpha=scale)
        may_win = self._may_win(largest, self._turned)
        return super().bounds(scale) if may_win is None else self._partly(may_win, scale, None)

    def draw(self, generator: torch.Generator, scale: float = 1.0) -> Tensor:
        """See `Posterior.draw`."""
        noise = self.noise(generator).T
        if not self._full():
            widest = torch.outer(self._most(), self._contexts.square().sum(1).sqrt())
            largest = torch.addcmul(self._turned, widest, noise.clamp(min=0), value=scale)
            least = torch.addcmul(self._turned, widest, noise.clamp(max=0), value=scale)
            may_win = self._may_win(largest, least)
            if may_win is not None:
                return self._partly(may_win, scale, noise)
        return torch.addcmul(self.mean, self.deviation, noise.T, value=scale)

    def _full(self) -> bool:
        """Whether all widths are there, or on a GPU, where asking how many may win would stall."""
        return self._deviation is not None or self.mean.is_cuda

    def _most(self) -> Tensor:
        return self._inverse.abs().sum(2).amax(1).sqrt()

    def _may_win(self, largest: Tensor, least: Tensor) -> Tensor | None:
        """Flat places in [K, B] that may hold a column's best score; None where they are too many to be worth it."""
        best = least.amax(0)
        # Rounding, and scores that will count as equal, must stay inside.
        open_ = largest >= best - 1e-4 * best.abs() - 1e-6
        places = torch.from_numpy(np.flatnonzero(open_.numpy()))
        return places if len(places) * FEW < largest.numel() else None

    def _partly(self, places: Tensor, scale: float, noise: Tensor | None) -> Tensor:
        b = len(self._contexts)
        width = quadratic_forms(self._contexts, self._inverse, places // b, places % b).clamp_(min=0).sqrt_()
        if noise is not None:
            width *= noise.view(-1)[places]
        score = torch.full_like(self._turned, -torch.inf)
        score.view(-1)[places] = torch.add(self._turned.view(-1)[places], width, alpha=scale)
        return score.T


def quadratic_forms(contexts: Tensor, matrices: Tensor, arms: Tensor, rows: Tensor) -> Tensor:
    """x' M x for pairs of a context and an arm: [B, d], [K, d, d], [P] arms in ascending order, [P] rows -> [P]."""
    count, d = matrices.shape[:2]
    of_arm = torch.bincount(arms, minlength=count)
    chunks = (of_arm + PAIRS - 1) // PAIRS
    shift = (chunks.cumsum(0) - chunks) * PAIRS - (of_arm.cumsum(0) - of_arm)
    place = shift[arms] + torch.arange(len(arms), device=arms.device)
    owner = torch.repeat_interleave(torch.arange(count, device=arms.device), chunks)
    source = torch.zeros(len(owner) * PAIRS, dtype=torch.int64, device=arms.device)
    source[place] = rows
    x = contexts.index_select(0, source).view(-1, PAIRS, d)
    return torch.bmm(x, matrices.index_select(0, owner)).mul_(x).sum(2).view(-1)[place]
