"""What may stand in one slate: no creative twice, caps per product or brand, and a diverse choice beforehand."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...simulation.data.errors import InputError


@dataclass(frozen=True)
class Cap:
    """At most `most` creatives of a group in a slate."""

    group: Tensor
    """[arms] int64: the product or brand of each arm."""
    most: int = 1


@dataclass(frozen=True)
class Layout:
    """Which candidates are open for the next slot."""

    caps: list[Cap] = field(default_factory=list)

    def start(self, n: int, candidates: Tensor, slots: int) -> Tensor | None:
        """All are open for the first of `slots` slots: None.

        Raises:
            InputError: the caps leave fewer candidates than slots.
        """
        for cap in self.caps:
            groups, counts = cap.group[candidates].unique(return_counts=True)
            room = int(counts.clamp(max=cap.most).sum())
            if room < slots:
                filled = f"{len(groups)} groups capped at {cap.most} fill {room}"
                raise InputError(f"candidates: {slots} slots, but {filled}; raise the cap")
        return None

    def close(self, opened: Tensor | None, chosen: Tensor, candidates: Tensor, shape: torch.Size) -> Tensor:
        """[B, K] what is open after [B, l] positions of `candidates` were chosen, top slot first."""
        if opened is None:
            opened = torch.ones(shape, dtype=torch.bool, device=chosen.device)
        opened = opened.scatter(1, chosen[:, -1:], False)
        for cap in self.caps:
            group = cap.group[candidates]
            last = group[chosen[:, -1:]]
            full = (group[chosen] == last).sum(1, keepdim=True) >= cap.most
            opened = opened & ~(full & (group == last))
        return opened


def diverse(quality: Tensor, similarity: Tensor, n: int) -> Tensor:
    """Greedy choice of n items under a determinantal point process, best first, [n] int64.

    The kernel is L = q_i S_ij q_j (Kulesza and Taskar, "Determinantal point processes for machine learning", 2012);
    greedy maximisation by incremental Cholesky (Chen, Zhang and Zhou, NeurIPS 2018, algorithm 1).

    Args:
        quality: [K] positive; how good each item is by itself.
        similarity: [K, K] positive semidefinite with ones on the diagonal.
        n: how many; at most K.
    """
    kernel = quality[:, None] * similarity * quality
    rows = torch.zeros(n, len(quality), dtype=kernel.dtype, device=kernel.device)
    left = kernel.diagonal().clone()
    chosen = torch.zeros(n, dtype=torch.int64, device=kernel.device)
    for i in range(n):
        item = left.argmax()
        chosen[i] = item
        row = (kernel[item] - rows[:i, item] @ rows[:i]) / left[item].clamp(min=1e-12).sqrt()
        rows[i] = row
        left = (left - row**2).index_fill(0, chosen[: i + 1], -torch.inf)
    return chosen
