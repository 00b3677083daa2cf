"""Tensors of a single value, made many at a time: making one costs more than a decision does."""

import torch
from torch import Tensor


class Pool:
    """Hands out CPU tensors of one value, each a tensor of its own."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, size: int = 256) -> None:
        """Tensors of a shape that holds one value; `size` of them share one piece of memory."""
        self._shape, self._dtype, self._size = shape, dtype, size
        self._used = size
        self._values, self._tensors = torch.empty(0, dtype=dtype).numpy(), ()

    def take(self, value: float) -> Tensor:
        """A tensor of this value."""
        if self._used == self._size:
            block = torch.empty(self._size, dtype=self._dtype)
            self._values, self._tensors = block.numpy(), block.view(-1, *self._shape).unbind()
            self._used = 0
        i = self._used
        self._used = i + 1
        self._values[i] = value
        return self._tensors[i]
