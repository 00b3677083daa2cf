"""Random rows drawn in blocks ahead of time, so that drawing one at a time costs what a slice does."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Rows = tuple[Tensor, ...]


class Stream:
    """Hands out rows of tensors that a function draws block by block.

    What is left of a block when the number asked for changes is dropped: the same calls after the same seed give the
    same rows.
    """

    def __init__(self, draw: Callable[[int], Rows], block: int = 4096) -> None:
        """Keeps how to draw n rows, all tensors of n rows, and how many are drawn at once at least."""
        self._draw, self._block = draw, block
        self._size = 0
        self._ready: Iterator[Rows] = iter(())

    def take(self, n: int) -> Rows:
        """The next n rows."""
        if n >= self._block or n == 0:
            return self._draw(n)
        if n != self._size:
            self.clear()
            self._size = n
        rows = next(self._ready, None)
        if rows is None:
            drawn = self._draw(self._block - self._block % n)
            self._ready = zip(*(torch.split(part, n) for part in drawn), strict=True)
            rows = next(self._ready)
        return rows

    def clear(self) -> None:
        """Drops what was drawn ahead; to be called when what it is drawn from changes."""
        self._ready = iter(())
