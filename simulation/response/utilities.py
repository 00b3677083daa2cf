"""Who likes what: the part of every log-odds that does not change from visit to visit, by user and creative."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..data.catalog import Catalog, Creative
from ..scenario import Scenario
from ..text.queries import Queries
from ..text.reading import Reader, Reading, Sight
from ..visitors.audience import Audience

INTEREST_CLICK, INTEREST_CONVERT = 0.5, 0.3
"""Log-odds per unit of a user's interest in a category."""


@dataclass(frozen=True)
class Scales:
    """Factors and intercepts: fitted to the rates that a scenario asks for (`calibrated_rates.py`), or to a log."""

    click_base: float = 0.0
    convert_base: float = 0.0
    text_click: float = 1.0
    text_convert: float = 1.0
    product_click: Tensor | None = None
    """[P] log-odds of a click by product; None for 0."""
    product_convert: Tensor | None = None
    """[P] log-odds of a conversion by product; None for 0."""
    picture_click: float = 0.0
    picture_convert: float = 0.0
    interplay: float = 0.0
    """Of the log-odds of a click that text and picture have together, where they say the same or the contrary."""


def agreement(said: Tensor, shown: Tensor) -> Tensor:
    """[n]: how far texts and pictures say the same, above 0, or the contrary, below; sum over appeals of said * shown.

    Args:
        said: [n, K] appeals of texts, 0 or more.
        shown: [n, K] appeals of pictures, in [-1, 1].
    """
    return (said * shown).sum(1)


class Utilities:
    """Log-odds of users and creatives, from the scenario's numbers, the scales and what texts say."""

    def __init__(
        self, scenario: Scenario, catalog: Catalog, audience: Audience, queries: Queries, reader: Reader, scales: Scales
    ) -> None:
        """Puts the scenario's numbers into tensors."""
        self.catalog, self.audience, self.queries, self.reader = catalog, audience, queries, reader
        self.scales, self.device = scales, audience.segment.device
        channels = list(scenario.channels.values())
        self.channel_base = torch.tensor([channel.base for channel in channels], device=self.device)
        self.intent = torch.tensor([channel.intent for channel in channels], device=self.device)
        price = torch.tensor([product.price for product in catalog.products], dtype=torch.float64)
        price = price.clamp(min=0.01).log()
        self._price = ((price - price.mean()) / price.std(correction=0).clamp(min=1e-6)).float().to(self.device)
        self._garbled, self._regret = scenario.garbled, math.log1p(-scenario.false_facts)
        self._category = torch.tensor(catalog.category_of, device=self.device)
        fits = [
            [scenario.category_tastes.get(category, {}).get(appeal, 0.0) for appeal in scenario.appeals]
            for category in catalog.categories
        ]
        self._category_tastes = torch.tensor(fits, device=self.device)

    def read(self, creatives: Sequence[Creative]) -> tuple[Tensor, Reading]:
        """Product indices, [n], and what the texts say."""
        product = torch.tensor(self.catalog.product_indices(creatives), dtype=torch.int64, device=self.device)
        return product, self.reader.read(creatives).to(self.device)

    def appeals(self, reading: Reading) -> Tensor:
        """[n, K] log-odds of a click that a unit of taste adds, by appeal."""
        said = self.scales.text_click * reading.appeals
        return said if reading.sight is None else said + self.scales.picture_click * reading.sight.appeals

    def category_of(self, product: Tensor) -> Tensor:
        """[n] category indices of products."""
        return self._category[product]

    def text(self, product: Tensor, reading: Reading) -> Tensor:
        """[U, n]: what each text says, met by each user's tastes."""
        return self._met(product, reading.appeals) + reading.click

    def picture(self, product: Tensor, sight: Sight) -> Tensor:
        """[U, n]: what each picture says, met by each user's tastes."""
        return self._met(product, sight.appeals) + sight.click

    def _met(self, product: Tensor, appeals: Tensor) -> Tensor:
        of_category = (self._category_tastes[self._category[product]] * appeals).sum(1)
        return self.audience.tastes @ appeals.T + of_category

    def clarity(self, reading: Reading) -> Tensor:
        """[n] log-odds of a click that garbled copy loses, on no scale but its own."""
        return -self._garbled * reading.garbled

    def truth(self, reading: Reading) -> Tensor:
        """[n] log-odds of a conversion that false facts lose, likewise."""
        return self._regret * reading.false_facts

    def click(self, product: Tensor, reading: Reading) -> Tensor:
        """[U, n] log-odds of a click that depend on user and creative alone."""
        interest = INTEREST_CLICK * self.audience.interest[:, self._category[product]]
        own = 0.0 if self.scales.product_click is None else self.scales.product_click[product]
        said = self.scales.text_click * self.text(product, reading) + self.clarity(reading)
        if reading.sight is not None:
            said = said + self.scales.picture_click * self.picture(product, reading.sight)
            said = said + self.scales.interplay * agreement(reading.appeals, reading.sight.appeals)
        return self.scales.click_base + own + interest + said

    def convert(self, product: Tensor, reading: Reading) -> Tensor:
        """[U, n] log-odds of a conversion given the click."""
        affinity = INTEREST_CONVERT * self.audience.interest[:, self._category[product]]
        price = self.audience.price_sensitivity[:, None] * self._price[product]
        own = 0.0 if self.scales.product_convert is None else self.scales.product_convert[product]
        said = self.scales.text_convert * reading.convert + self.truth(reading)
        if reading.sight is not None:
            said = said + self.scales.picture_convert * reading.sight.convert
        return self.scales.convert_base + own + affinity - price + said

    def of(self, audience: Audience) -> "Utilities":
        """The same of other people."""
        other = copy(self)
        other.audience = audience
        return other

    def people(self) -> Tensor:
        """[U, r] what log-odds depend on of each user: a constant, tastes, interests, sensitivity to the price."""
        who = self.audience
        constant = torch.ones_like(who.price_sensitivity)
        return torch.cat([constant[:, None], who.tastes, who.interest, who.price_sensitivity[:, None]], dim=1)

    def weights(self, product: Tensor, reading: Reading) -> Tensor:
        """[2, n, r] log-odds of a click and of a conversion for a unit of each number of `people`: log-odds are sums
        over these, so that of nobody in particular, and of who has a unit of one number, those of all follow.
        """
        tastes, interest = self.audience.tastes.shape[1], self.audience.interest.shape[1]
        unit = torch.eye(1 + tastes + interest + 1, device=self.device)
        unit[0] = 0.0
        parts = unit[:, 1:].split([tastes, interest, 1], dim=1)
        told = {"tastes": parts[0], "interest": parts[1], "price_sensitivity": parts[2][:, 0]}
        units = self.of(replace(self.audience, **told))
        odds = torch.stack([units.click(product, reading), units.convert(product, reading)])
        odds[:, 1:] -= odds[:, :1].clone()
        return odds.transpose(1, 2).contiguous()

    def without_text(self) -> tuple[Tensor, Tensor]:
        """[U, P] log-odds of a click and of a conversion, of products with nothing said."""
        product = torch.arange(len(self.catalog), device=self.device)
        nothing = torch.zeros(len(product), device=self.device)
        said = torch.zeros(len(product), self._category_tastes.shape[1], device=self.device)
        silent = Reading(said, nothing, nothing, nothing, nothing, nothing)
        return self.click(product, silent), self.convert(product, silent)

    def sought(self, creatives: Sequence[Creative]) -> Tensor:
        """[channels, Q + 1, n] log-odds of a click by channel and by what is looked for, nothing first."""
        match = self.queries.match(creatives).to(self.device)
        match = torch.cat([torch.zeros_like(match[:1]), match])
        return self.channel_base[:, None, None] + self.intent[:, None, None] * match
