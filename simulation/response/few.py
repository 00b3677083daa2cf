"""What `World.respond` does, for few visitors on the CPU: in numpy on the world's own memory.

Torch takes a few microseconds a call whatever the size, and a step is forty calls. Operations and their order are the
world's, and torch keeps the two functions that numpy rounds differently, so the bits are the same.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .click_models import first_showing
from .fatigue import saturating
from .lookup import CLICK, CONVERT, SOUGHT, WORN, Lookup

FEW = 1024
"""Visitors up to which this is the faster way."""
Array = Any
"""A numpy array."""


class Few:
    """Draws what comes of slates of few visitors, where slots are looked at independently and tastes stay."""

    def __init__(self, examination: Tensor, queries: int, fatigue: float, interest: tuple[float, float]) -> None:
        """Keeps [channels, L] chances of a look, rows of what is sought by channel, and what clicks and looks do."""
        self._examination, self._queries = examination.numpy(), queries
        self._weight = np.array([-fatigue, 1.0], dtype=np.float32)[:, None, None]
        self._gain, self._loss = interest

    def respond(
        self,
        lookup: Lookup,
        visits: tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None],
        slates: Tensor,
        luck: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Clicked, converted, delay, looked: [B, L] each; the lookup remembers.

        Args:
            lookup: of the world, on the CPU.
            visits: [B] user, channel, query, hours and moment.
            slates: [B, L] creatives.
            luck: [B, 4, slots], as `World` draws it.

        Raises:
            IndexError: a creative that is not there.
        """
        user, channel, query, hours, moment = visits
        channel, shown = channel.numpy(), slates.numpy()
        draws = luck.numpy()[:, :, : shown.shape[1]]
        cells = lookup.cells_of_few(user.numpy(), channel * self._queries + query.numpy() + 1, shown)
        figures, growth = lookup.figures_of_few(cells), lookup.growth_of_few(hours.numpy())
        score = figures[CLICK]
        score += figures[SOUGHT]
        score += (saturating(figures[WORN:] / growth) * self._weight).sum(0)
        if moment is not None:
            score += moment.numpy()[:, None]
        chances = torch.from_numpy(figures[: CONVERT + 1]).sigmoid_().numpy()
        looked = draws[:, 0] < self._examination[channel, : shown.shape[1]]
        looked &= first_showing(shown)
        clicked = looked & (draws[:, 1] < chances[0])
        converted = clicked & (draws[:, 2] < chances[1])
        events = np.empty((2, *shown.shape), dtype=np.float32)
        events[0] = looked
        np.multiply(clicked, self._gain, out=events[1], casting="unsafe", dtype=np.float32)
        events[1] -= self._loss * events[0]
        events *= growth
        lookup.remember_few(cells, events)
        late = np.where(converted, draws[:, 3], np.float32(np.inf))
        return tuple(map(torch.from_numpy, (clicked, converted, late, looked)))  # pyright: ignore[reportReturnType]
