"""What holds between a visitor and a creative, in one tensor: a visit costs a single look-up.

Five figures meet in a slot: the log-odds of a click and of a conversion that stay (by user and creative), the log-odds
that channel and query bring (by sought row and creative), and two that users remember and slowly forget: how often they
looked at the creative, and what recent clicks and looks have made of their interest in its category.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

CLICK, CONVERT, SOUGHT, WORN, MOOD = range(5)
Array = Any
"""A numpy array."""


class Clock(ABC):
    """What is remembered fades as exp(-t / recovery). It is kept as m * exp((now - origin) / recovery), so that a step
    touches only what it concerns.
    """

    def __init__(self, recovery: tuple[float, float], device: torch.device) -> None:
        """Keeps the hours in which a look at a creative, and the mood for a category, fade to 1/e."""
        self._recovery = recovery
        self._rate = 1 / torch.tensor(recovery, dtype=torch.float64, device=device)[:, None, None]
        self.origin = 0.0
        """Hours; moved on now and then, to stay inside float32."""

    def growth(self, hours: Tensor) -> Tensor:
        """exp((t - origin) / recovery) at [B] hours, of both figures remembered, [2, B, 1] float32."""
        # Clamped to stay inside float32, should a single batch span 60 recovery times or an event lie far back.
        return ((hours - self.origin)[:, None] * self._rate).float().clamp_(-80, 80).exp_()

    def rebase(self, now: float) -> None:
        """Moves the origin of time to `now` once the growth gets large."""
        since = now - self.origin
        if since > 20 * min(self._recovery):
            for remembered, recovery in zip(self._remembered(), self._recovery, strict=True):
                remembered *= math.exp(-since / recovery)
            self.origin = now

    def held(self) -> int:
        """Bytes of its tensors."""
        return sum(part.numel() * part.element_size() for part in self._tensors())

    @abstractmethod
    def _tensors(self) -> list[Tensor]: ...

    @abstractmethod
    def _remembered(self) -> tuple[Tensor, Tensor]:
        """How worn creatives are, and the moods; to be changed in place."""


class Lookup(Clock):
    """U users, S rows of what is sought, C creatives of G categories."""

    def __init__(
        self, users: int, sought: int, categories: int, recovery: tuple[float, float], device: torch.device
    ) -> None:
        """Starts with no creatives.

        Args:
            users: U.
            sought: S.
            categories: G.
            recovery: hours in which a look at a creative, and the mood for a category, fade to 1/e.
            device: where it lives.
        """
        super().__init__(recovery, device)
        self._category = torch.zeros(0, dtype=torch.int64, device=device)
        heights = {CLICK: users, CONVERT: users, SOUGHT: sought, WORN: users}
        parts = [torch.zeros(heights[figure], 0, device=device) for figure in heights]
        self._lay_out([*parts, torch.zeros(users, categories, device=device)])

    def part(self, figure: int) -> Tensor:
        """A view of one figure: [U, C], [S, C] for what is sought, [U, G] for the mood."""
        return self._parts[figure]

    def publish(self, click: Tensor, convert: Tensor, sought: Tensor, category: Tensor) -> None:
        """Adds creatives that nobody has seen: [U, n], [U, n], [S, n] log-odds and [n] categories."""
        self._category = torch.cat([self._category, category])
        new = [click, convert, sought, torch.zeros_like(click)]
        joined = [torch.cat([old, more], dim=1) for old, more in zip(self._parts, new, strict=False)]
        self._lay_out([*joined, self._parts[MOOD]])

    def cells(self, user: Tensor, sought: Tensor, slates: Tensor) -> Tensor:
        """Where the figures of [B] visits and [B, L] creatives lie, [5, B, L] int64."""
        visit = self._of_user.index_select(0, user) + self._of_sought.index_select(0, sought)
        cells = self._of_creative.index_select(0, slates.flatten()).view(*slates.shape, 5) + visit[:, None]
        return cells.permute(2, 0, 1).contiguous()

    def figures(self, cells: Tensor) -> Tensor:
        """The figures of cells, [5, B, L]; the last two have grown since they were made."""
        return self._flat.index_select(0, cells.flatten()).view(cells.shape)

    def cells_of_few(self, user: Array, sought: Array, slates: Array) -> Array:
        """`cells` in numpy, on the CPU.

        Raises:
            IndexError: an index that is not there; numpy would count a negative one from the end.
        """
        if slates.size and slates.min() < 0:
            raise IndexError(f"slates: creative {slates.min()} is not there")
        visit = self._views[0].take(user, 0) + self._views[1].take(sought, 0)
        return np.ascontiguousarray((self._views[2].take(slates, 0) + visit[:, None]).transpose(2, 0, 1))

    def figures_of_few(self, cells: Array) -> Array:
        """`figures` in numpy, on the CPU."""
        return self._views[3].take(cells)

    def growth_of_few(self, hours: Array) -> Array:
        """`growth` in numpy, on the CPU; torch takes the exponential, which numpy rounds differently."""
        since = ((hours - self.origin)[:, None] * self._views[4]).astype(np.float32)
        return torch.from_numpy(since).clamp_(-80, 80).exp_().numpy()

    def remember(self, cells: Tensor, events: Tensor) -> None:
        """Adds grown events, [2, B, L]; all those of one cell in a batch count."""
        where = cells[WORN:].flatten()
        if events.is_cuda:
            self._flat.index_put_((where,), events.flatten(), accumulate=True)
        else:
            # On the CPU index_put_ adds in no fixed order; index_add_ gives the same bits every time.
            self._flat.index_add_(0, where, events.flatten())

    def remember_few(self, cells: Array, events: Array) -> None:
        """`remember` in numpy, on the CPU; it adds in the same order."""
        np.add.at(self._views[3], cells[WORN:].ravel(), events.ravel())

    def forget(self, now: float = 0.0) -> None:
        """Nothing has happened, and time begins at an hour."""
        self._parts[WORN].zero_()
        self._parts[MOOD].zero_()
        self.origin = now

    def _tensors(self) -> list[Tensor]:
        return [self._flat, self._of_user, self._of_sought, self._of_creative, self._category]

    def _remembered(self) -> tuple[Tensor, Tensor]:
        return self._parts[WORN], self._parts[MOOD]

    def _lay_out(self, parts: list[Tensor]) -> None:
        self._flat = torch.cat([part.flatten() for part in parts])
        ends = torch.tensor([part.numel() for part in parts]).cumsum(0).tolist()
        starts = [0, *ends[:-1]]
        self._parts = [
            self._flat[start:end].view(part.shape) for start, end, part in zip(starts, ends, parts, strict=True)
        ]
        device, creatives = self._flat.device, len(self._category)
        users, sought, categories = len(parts[CLICK]), len(parts[SOUGHT]), parts[MOOD].shape[1]
        row = torch.tensor([creatives, creatives, 0, creatives, categories], device=device)
        self._of_user = torch.arange(users, device=device)[:, None] * row
        row = torch.tensor([0, 0, creatives, 0, 0], device=device)
        self._of_sought = torch.arange(sought, device=device)[:, None] * row
        column = torch.arange(creatives, device=device)[:, None].repeat(1, 5)
        column[:, MOOD] = self._category
        self._of_creative = column + torch.tensor(starts, device=device)
        tables = (self._of_user, self._of_sought, self._of_creative, self._flat, self._rate)
        self._views: tuple[Array, ...] = tuple(t.numpy() for t in tables) if device.type == "cpu" else ()
