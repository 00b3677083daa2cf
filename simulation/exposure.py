"""How often each user has looked at each creative lately."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Exposure:
    """Exposure of U users to C creatives, fading as exp(-t / recovery).

    It is kept as e * exp((now - origin) / recovery), so that a step touches only what it shows.
    """

    recovery: float
    """Hours in which it fades to 1/e."""
    grown: Tensor
    """[U, C] float32."""
    origin: float = 0.0
    """Hours; moved on now and then, to stay inside float32."""

    def level(self, user: Tensor, creative: Tensor, hours: Tensor) -> Tensor:
        """Exposure of [B] users to [B, L] creatives at [B] hours."""
        return self.grown[user[:, None], creative] / self._growth(hours)

    def see(self, user: Tensor, creative: Tensor, hours: Tensor, examined: Tensor) -> None:
        """Adds what was looked at, [B, L] bool; the visits of one user in a batch all count."""
        weight = self._growth(hours) * examined
        if self.grown.is_cuda:
            self.grown.index_put_((user[:, None].expand_as(creative), creative), weight, accumulate=True)
        else:
            # On the CPU index_put_ adds in no fixed order; index_add_ gives the same bits every time.
            cell = user[:, None] * self.grown.shape[1] + creative
            self.grown.view(-1).index_add_(0, cell.flatten(), weight.flatten())

    def rebase(self, now: float) -> None:
        """Moves the origin of time to `now` once the growth gets large."""
        if now - self.origin > 20 * self.recovery:
            self.grown *= math.exp(-(now - self.origin) / self.recovery)
            self.origin = now

    def add_creatives(self, n: int) -> None:
        """Makes room for n creatives that nobody has seen."""
        self.grown = torch.cat([self.grown, self.grown.new_zeros(len(self.grown), n)], dim=1)

    def clear(self) -> None:
        """Nobody has seen anything, and time begins."""
        self.grown.zero_()
        self.origin = 0.0

    def _growth(self, hours: Tensor) -> Tensor:
        # Clamped to stay inside float32, should a single batch span 60 recovery times or a look lie far back.
        return torch.exp(((hours - self.origin) / self.recovery).clamp(-80, 80)).float()[:, None]
