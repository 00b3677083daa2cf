"""Widths of confidence of a linear model, sqrt(x' A^-1 x), for many visitors and candidates at once.

All of them are one matrix product on packed triangles; where only the best of a row is asked for, few are computed.
"""

import numpy as np
import torch
from torch import Tensor

from .chunks import CHUNK, places
from .posterior import Posterior

FEW = 8
"""Widths are computed one by one where less than one in so many is needed."""
TIE = 1e-5
"""Scores closer to the best than this share of its size count as equal: float32 products differ that much by layout."""
SLACK = 1e-4
"""Share of a score's size that a bound on it leaves for rounding; more than `TIE`."""
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

    A width is at most sqrt(lambda) |x|, where lambda is the largest absolute row sum of A^-1 and so no less than its
    largest eigenvalue (Gershgorin, 1931). Once something was learned, few rows are left with several that may win, and
    where one is left it needs no width.
    """

    def __init__(self, mean: Tensor, contexts: Tensor, inverse: Tensor, triangle: Triangle) -> None:
        """Of [K, B] means, [B, d] contexts and [K, d, d] inverses; good until the model learns."""
        self.mean = mean.T
        self._deviation = None
        self._turned, self._contexts = mean, contexts
        self._inverse, self._triangle = inverse, triangle

    @property
    def deviation(self) -> Tensor:
        """[B, K] sqrt(x' A^-1 x)."""
        if self._deviation is None:
            variance = self._triangle.pack(self._inverse) @ self._triangle.products(self._contexts)
            self._deviation = variance.clamp_(min=0).sqrt_().T
        return self._deviation

    def leader(self, scale: float, opened: Tensor | None = None, noise: Tensor | None = None) -> Tensor | None:
        """See `Posterior.leader`; no candidate that could win is left out."""
        if self._deviation is not None or self.mean.is_cuda or not scale:
            # On a GPU asking how many may win would stall.
            return None
        widest = self._inverse.abs().sum(2).amax(1).sqrt_(), torch.linalg.vecdot(self._contexts, self._contexts).sqrt_()
        largest, least = self._between(*widest, scale, noise)
        if opened is not None:
            largest, least = (score.masked_fill(~opened.T, -torch.inf) for score in (largest, least))
        best = least.amax(0).numpy()
        # Rounding, and scores that will count as equal, must stay inside.
        pairs = np.flatnonzero(largest.numpy() >= best - SLACK * np.abs(best) - 1e-6)
        if len(pairs) * FEW >= largest.numel():
            return None
        arms, rows = np.divmod(pairs, largest.shape[1])
        index = np.zeros(largest.shape[1], dtype=np.int64)
        index[rows] = arms
        several = np.bincount(rows)[rows] > 1
        return self._decided(index, pairs[several], arms[several], rows[several], scale, noise)

    def _between(self, widest: Tensor, length: Tensor, scale: float, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scores at most and at least, [K, B] each, of widths from 0 to [K] times [B]."""
        if noise is None:
            return torch.addr(self._turned, widest, length, alpha=scale), self._turned
        drawn = torch.addcmul(self._turned, torch.outer(widest, length), noise.T, value=scale)
        return torch.maximum(self._turned, drawn), torch.minimum(self._turned, drawn)

    def _decided(
        self,
        index: np.ndarray,
        pairs: np.ndarray,
        arms: np.ndarray,
        rows: np.ndarray,
        scale: float,
        noise: Tensor | None,
    ) -> Tensor | None:
        """[B] `index`, with the best of [P] pairs where a row has some; None if the best of a row has an equal."""
        there = torch.from_numpy(pairs)
        width = quadratic_forms(self._contexts, self._inverse, arms, rows).clamp_(min=0).sqrt_()
        if noise is not None:
            width *= noise.T.reshape(-1)[there]
        score = torch.add(self._turned.view(-1)[there], width, alpha=scale).numpy()
        best = np.full(len(index), -np.inf, dtype=np.float32)
        np.maximum.at(best, rows, score)
        # Draws are never equal; bounds that nearly are count as equal.
        won = score >= (best - TIE * np.abs(best) if noise is None else best)[rows]
        if np.count_nonzero(won) > np.count_nonzero(best > -np.inf):
            return None
        index[rows[won]] = arms[won]
        return torch.from_numpy(index)


def quadratic_forms(contexts: Tensor, matrices: Tensor, arms: np.ndarray, rows: np.ndarray) -> Tensor:
    """x' M x for pairs of a context and an arm: [B, d], [K, d, d], [P] arms in ascending order, [P] rows -> [P]."""
    place, owner = places(arms, len(matrices))
    # Places that no pair takes read row 0.
    source = np.zeros(len(owner) * CHUNK, dtype=np.int64)
    source[place] = rows
    x = contexts.index_select(0, torch.from_numpy(source)).view(-1, CHUNK, contexts.shape[1])
    forms = torch.bmm(x, matrices.index_select(0, torch.from_numpy(owner))).mul_(x).sum(2)
    return forms.view(-1)[torch.from_numpy(place)]
