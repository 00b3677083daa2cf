"""Cuts rows by arm into chunks of one arm, so that what is done arm by arm becomes one batched product."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK = 16
"""Rows of one arm that are multiplied at once."""

Indices = NDArray[np.int64]


def places(arms: Indices, count: int) -> tuple[Indices, Indices]:
    """Where rows stand: [N] arms below `count`, in order -> [N] places in `CHUNK` times C, [C] the arm of each chunk.

    A chunk holds rows of one arm; the last of an arm may have places that no row takes.
    """
    rows = np.bincount(arms, minlength=count)
    chunks = -(-rows // CHUNK)
    shift = (chunks.cumsum() - chunks) * CHUNK - (rows.cumsum() - rows)
    return shift[arms] + np.arange(len(arms)), np.repeat(np.arange(count), chunks)


def cut(arms: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """[N] arms below `count` -> [N] rows sorted by arm, [N] their places, [C] the arm of each chunk."""
    if arms.is_cuda:
        return cut_without_waiting(arms, count)
    of_row = arms.numpy()
    # Small integers are sorted by radix, several times as fast.
    order = of_row.astype(np.min_scalar_type(count)).argsort(kind="stable")
    place, owner = places(of_row[order], count)
    return torch.from_numpy(order), torch.from_numpy(place), torch.from_numpy(owner)


def cut_without_waiting(arms: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """`cut`, on any device; asking how many chunks are taken would stall: those behind the last are of any arm."""
    owner, order = arms.sort(stable=True)
    first = torch.searchsorted(owner, torch.arange(count + 1, device=arms.device))
    chunks = (first.diff() + CHUNK - 1) // CHUNK
    end = chunks.cumsum(0)
    place = torch.arange(len(arms), device=arms.device) + ((end - chunks) * CHUNK - first[:-1])[owner]
    total = torch.arange(len(arms) // CHUNK + min(count, len(arms)), device=arms.device)
    return order, place, torch.searchsorted(end, total, right=True).clamp_(max=count - 1)
