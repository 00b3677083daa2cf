"""A sliding window over what was learned: old rows are taken back."""

from collections import deque

import torch
from torch import Tensor

Rows = tuple[Tensor, ...]
"""Contexts [N, d], arms [N], trials [N], rewards [N]."""


class History:
    """The rows of the last `window` impressions, in the order they came, with how much each still counts."""

    def __init__(self, window: int, slots: int) -> None:
        """Room for `window` impressions of L slots each."""
        self.window, self.slots = window, slots
        self._batches: deque[list] = deque()
        self._impressions = 0

    def exchange(self, rows: Rows, impressions: int, discount: float = 1.0) -> list[Rows]:
        """Adds the rows of some impressions and hands back those that fall out of the window, weighted as they count.

        Args:
            rows: of `impressions` impressions, L each, in order.
            impressions: how many.
            discount: by which the model lets older rows count less, an impression.
        """
        for batch in self._batches:
            batch[1] *= discount**impressions
        self._batches.append([rows, 1.0, impressions])
        self._impressions += impressions
        out: list[Rows] = []
        while self._impressions > self.window:
            held, weight, n = self._batches[0]
            leave = min(n, self._impressions - self.window)
            cut = leave * self.slots
            x, arms, trials, rewards = (value[:cut] for value in held)
            out.append((x, arms, weight * trials, weight * rewards))
            self._impressions -= leave
            if leave == n:
                self._batches.popleft()
            else:
                self._batches[0] = [tuple(value[cut:] for value in held), weight, n - leave]
        return out

    def tensors(self) -> dict[str, Tensor]:
        """The rows held, flat, and how they were batched."""
        if not self._batches:
            return {}
        columns = zip(*(batch[0] for batch in self._batches), strict=True)
        state = {
            name: torch.cat(column)
            for name, column in zip(("contexts", "arms", "trials", "rewards"), columns, strict=True)
        }
        state["weights"] = torch.tensor([batch[1] for batch in self._batches], dtype=torch.float64)
        state["impressions"] = torch.tensor([batch[2] for batch in self._batches])
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """Takes over what `tensors` gave."""
        self._batches.clear()
        self._impressions = 0
        if not state:
            return
        sizes = (state["impressions"] * self.slots).tolist()
        columns = [state[name].split(sizes) for name in ("contexts", "arms", "trials", "rewards")]
        for rows, weight, n in zip(
            zip(*columns, strict=True), state["weights"].tolist(), state["impressions"].tolist(), strict=True
        ):
            self._batches.append([rows, weight, n])
            self._impressions += n
