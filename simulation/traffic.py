"""Who comes when, by which channel, looking for what."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .audience import Audience
from .scenario import Scenario


@dataclass(frozen=True)
class Impressions:
    """B visits that each show a slate. Everything here may be seen by agents and models."""

    user: Tensor
    """[B] int64, index into the audience."""
    channel: Tensor
    """[B] int64, index into the scenario's channels."""
    query: Tensor
    """[B] int64, the category looked for, -1 for none."""
    hours: Tensor
    """[B] float64, hours since the world began."""
    context: Tensor
    """[B, d] float32, observed features: see `Traffic.context_names`."""

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: Tensor | slice) -> "Impressions":
        return Impressions(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


class Traffic:
    """Draws visits; users come in proportion to their activity."""

    def __init__(
        self, scenario: Scenario, categories: tuple[str, ...], audience: Audience, generator: torch.Generator
    ) -> None:
        """Keeps what visits are drawn from; `generator` lives on the audience's device."""
        self.audience, self.generator = audience, generator
        self.hours = 0.0
        self._pace = 1.0 / scenario.visits_per_hour
        device = audience.segment.device
        self._share = torch.tensor([channel.share for channel in scenario.channels.values()], device=device)
        self._asks = torch.tensor([channel.intent > 0 for channel in scenario.channels.values()], device=device)
        self._pull = audience.interest.softmax(dim=1)
        self._arrival = audience.activity.cumsum(0) / audience.activity.sum()
        self.context_names = (
            "bias",
            *(f"segment={name}" for name in audience.segments),
            *(f"browsing={name}" for name in categories),
            *(f"channel={name}" for name in scenario.channels),
            *(f"query={name}" for name in categories),
        )
        one_hot = torch.nn.functional.one_hot
        profile = audience.browsing / audience.browsing.sum(1, keepdim=True).clamp(min=1)
        self._known = torch.cat([one_hot(audience.segment, len(audience.segments)), profile], dim=1).float()

    def visitors(self, n: int) -> Impressions:
        """The next n visits."""
        device = self.audience.segment.device
        draw = torch.rand(n, generator=self.generator, device=device)
        user = torch.searchsorted(self._arrival, draw).clamp(max=len(self.audience) - 1)
        channel = torch.multinomial(self._share, n, replacement=True, generator=self.generator)
        wanted = torch.multinomial(self._pull[user], 1, generator=self.generator).squeeze(1)
        query = torch.where(self._asks[channel], wanted, -1)
        hours = self.hours + self._pace * torch.arange(n, device=device, dtype=torch.float64)
        self.hours += self._pace * n
        return Impressions(user, channel, query, hours, self._context(user, channel, query))

    def _context(self, user: Tensor, channel: Tensor, query: Tensor) -> Tensor:
        one_hot = torch.nn.functional.one_hot
        asked = one_hot(query + 1, self._pull.shape[1] + 1)[:, 1:]
        parts = [torch.ones_like(user)[:, None], self._known[user], one_hot(channel, len(self._share)), asked]
        return torch.cat([part.float() for part in parts], dim=1)
