"""Who comes when, by which channel, looking for what."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..scenario import Scenario
from ..text.queries import Queries
from ..visits import Impressions
from .audience import Audience
from .stream import Rows, Stream

RIVALRY_SPREAD = 0.7
"""Standard deviation, in log-odds, of the pull of competitors' ads from visit to visit."""


class Traffic:
    """Draws visits; users come in proportion to their activity."""

    def __init__(self, scenario: Scenario, queries: Queries, audience: Audience, generator: torch.Generator) -> None:
        """Keeps what visits are drawn from; `generator` lives on the audience's device."""
        self.audience, self.generator, self.queries = audience, generator, queries
        self.hours = 0.0
        self._pace = 1.0 / scenario.visits_per_hour
        self._stream = Stream(self._draw)
        device, channels = audience.segment.device, list(scenario.channels.values())

        def of_channels(name: str) -> Tensor:
            return torch.tensor([float(getattr(channel, name)) for channel in channels], device=device)

        self._share = of_channels("share").cumsum(0) / of_channels("share").sum()
        self._asks = of_channels("intent") > 0
        self._daily, self._peak, self._rivals = map(of_channels, ("daily", "peak_hour", "competitors"))
        self._pull = audience.interest.softmax(dim=1).cumsum(1)
        self._arrival = audience.activity.cumsum(0) / audience.activity.sum()
        self._category, order = queries.category.to(device).sort(stable=True)
        self._order = order.to(device)
        self._first = torch.searchsorted(self._category, torch.arange(self._pull.shape[1], device=device))
        self._count = torch.bincount(self._category, minlength=self._pull.shape[1])
        self.clocked = bool(self._daily.any())
        """Whether the hour of the day matters, and is a feature."""
        categories = queries.catalog.categories
        self.context_names = (
            "bias",
            *(f"segment={name}" for name in audience.segments),
            *(f"browsing={name}" for name in categories),
            *(f"channel={name}" for name in scenario.channels),
            *(f"query={name}" for name in categories),
            *(("hour=sin", "hour=cos") if self.clocked else ()),
        )
        profile = audience.browsing / audience.browsing.sum(1, keepdim=True).clamp(min=1)
        bias = torch.ones_like(profile[:, :1])
        self.known = torch.cat([bias, one_hot(audience.segment, len(audience.segments)), profile], dim=1).float()
        """[U, ...] what contexts say of each user: bias, segment, browsing."""

    def visitors(self, n: int) -> Impressions:
        """The next n visits."""
        visits = Impressions(*self._stream.take(n))
        self.hours += self._pace * n
        return visits

    def start(self, seed: int, hours: float = 0.0) -> None:
        """Starts over: the clock at an hour, new draws."""
        self.generator.manual_seed(seed)
        self._stream.clear()
        self.hours = hours

    @contextmanager
    def at_pace(self, visits_per_hour: float) -> Iterator[None]:
        """Visits come at another pace for a while, as from a larger audience."""
        kept, self._pace = self._pace, 1.0 / visits_per_hour
        self._stream.clear()
        try:
            yield
        finally:
            self._pace = kept
            self._stream.clear()

    def sample(self, n: int, generator: torch.Generator) -> Impressions:
        """Visits of another stream, from hour zero; neither the clock nor the generator moves."""
        kept = self.generator, self.hours
        self.generator, self.hours = generator, 0.0
        visits = Impressions(*self._draw(n))
        self.generator, self.hours = kept
        return visits

    def _draw(self, n: int) -> Rows:
        device = self.audience.segment.device
        draw = torch.rand((4, n), generator=self.generator, device=device)
        user = torch.searchsorted(self._arrival, draw[0]).clamp_(max=len(self.audience) - 1)
        channel = torch.searchsorted(self._share, draw[1]).clamp_(max=len(self._share) - 1)
        wanted = (self._pull[user] < draw[2][:, None]).sum(1).clamp_(max=self._pull.shape[1] - 1)
        within = (draw[3] * self._count[wanted]).long()
        asked = self._order[(self._first[wanted] + within).clamp_(max=len(self._order) - 1)]
        # A category that nobody asks about has no queries; who is interested in it looks for nothing then.
        asks = self._asks[channel] & (self._count[wanted] > 0)
        query = torch.where(asks, asked, -1)
        hours = self.hours + self._pace * torch.arange(n, device=device, dtype=torch.float64)
        context = self._context(user, channel, torch.where(asks, wanted, -1), hours)
        return user, channel, query, hours, context, self._moment(channel, hours)

    def _context(self, user: Tensor, channel: Tensor, category: Tensor, hours: Tensor) -> Tensor:
        looked_for = one_hot(category + 1, self._pull.shape[1] + 1)[:, 1:]
        parts = [self.known[user], one_hot(channel, len(self._share)), looked_for]
        if self.clocked:
            angle = (hours % 24).float() * (2 * math.pi / 24)
            parts.append((1 + torch.stack([angle.sin(), angle.cos()], 1)) / 2)
        return torch.cat([part.float() for part in parts], dim=1)

    def _moment(self, channel: Tensor, hours: Tensor) -> Tensor:
        moment = torch.zeros(len(hours), device=hours.device)
        if self.clocked:
            moment = self._daily[channel] * torch.cos(((hours % 24).float() - self._peak[channel]) * (2 * math.pi / 24))
        if self._rivals.any():
            noise = torch.randn(len(hours), generator=self.generator, device=hours.device)
            moment = moment - torch.log1p(self._rivals[channel] * torch.exp(RIVALRY_SPREAD * noise))
        return moment
