"""What follows a click or a look, beyond conversions: money, returns, and what is said of an ad in a feed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .world import Feedback, World


@dataclass(frozen=True)
class Outcomes:
    """All [B, L]; money in the catalog's currency."""

    returned: Tensor
    """bool, a conversion whose goods came back."""
    revenue: Tensor
    """Margin on what was sold and kept."""
    cost: Tensor
    """Of showing the slot, and of the click."""
    likes: Tensor
    """bool."""
    comments: Tensor
    """bool."""
    shares: Tensor
    """bool."""

    @property
    def profit(self) -> Tensor:
        """Revenue less cost."""
        return self.revenue - self.cost


class Accounts:
    """Draws and books what follows feedback; it takes no part in what visitors do."""

    def __init__(self, world: World, generator: torch.Generator) -> None:
        """Takes prices, and what channels cost and how they answer; `generator` lives on the world's device."""
        self.world, self.generator = world, generator
        scenario, device = world.scenario, world.device
        channels = list(scenario.channels.values())

        def of_channels(values: list[float]) -> Tensor:
            return torch.tensor(values, device=device)

        self._price = torch.tensor([p.price for p in world.catalog.products], device=device) * scenario.margin
        self._shown = of_channels([c.cost_per_thousand / 1000 for c in channels])
        self._clicked = of_channels([c.cost_per_click for c in channels])
        rates = [[c.social.like, c.social.comment, c.social.share] for c in channels]
        self._social = torch.tensor(rates, device=device).clamp(max=1 - 1e-6)

    def of(self, feedback: Feedback) -> Outcomes:
        """Books feedback of the world.

        Likes, comments and shares come from those who looked. Their log-odds move with the click's: an ad that is
        clicked twice as often by somebody is liked about twice as often by them, up to the channel's rate.

        Raises:
            ValueError: the feedback does not say what was looked at; it is not the world's own.
        """
        if feedback.looked is None:
            raise ValueError("this feedback does not say what was looked at; give what World.respond returned")
        channel, slates = feedback.impressions.channel, feedback.slates
        draw = torch.rand((4, *slates.shape), generator=self.generator, device=self.world.device)
        returned = feedback.converted & (draw[0] < self._return_chance(slates))
        kept = feedback.converted & ~returned
        cost = self._shown[channel][:, None] + self._clicked[channel][:, None] * feedback.clicked
        social = feedback.looked & (draw[1:] < self._social_chance(feedback))
        return Outcomes(returned, self._price[self.world.products_of(slates)] * kept, cost, *social.unbind(0))

    def _return_chance(self, slates: Tensor) -> Tensor:
        scenario = self.world.scenario
        if not scenario.returns:
            return torch.zeros(slates.shape, device=slates.device)
        base = torch.logit(torch.tensor(scenario.returns, device=slates.device))
        return torch.sigmoid(base + scenario.returns_overclaim * self.world.overclaim[slates])

    def _social_chance(self, feedback: Feedback) -> Tensor:
        """[3, B, L] of a like, a comment, a share."""
        rate = self._social[feedback.impressions.channel].T[:, :, None]
        if not rate.any():
            return rate.expand(-1, -1, feedback.slates.shape[1])
        click = self.world.expected(feedback.impressions, feedback.slates).click
        usual = self.world.scenario.ctr / float(self.world.examination.mean())
        liking = torch.logit(click.clamp(1e-6, 1 - 1e-6)) - torch.logit(torch.tensor(usual))
        return torch.where(rate > 0, torch.sigmoid(torch.logit(rate.clamp(min=1e-9)) + liking), 0.0)
