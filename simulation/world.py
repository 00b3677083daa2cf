"""The simulated world: visitors come, see slates of creatives, click and convert. Its rates are the gold."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from .audience import Audience, generate_audience
from .catalog import Catalog, Creative
from .exposure import Exposure
from .reading import Reader, Reading, TextReader
from .response import (
    click_logit,
    convert_logit,
    fatigue,
    first_showing,
    intercept_for_rate,
    scale_for_gain,
    top_slots,
)
from .scenario import Scenario, load_scenario
from .tables import InputError
from .traffic import Impressions, Traffic


@dataclass(frozen=True)
class Rates:
    """Expected response of B slates of L creatives; all [B, L] float32."""

    examine: Tensor
    click: Tensor
    """P(click | examined)."""
    convert: Tensor
    """P(conversion | click)."""

    @property
    def ctr(self) -> Tensor:
        """Clicks an impression, examination included."""
        return self.examine * self.click


@dataclass(frozen=True)
class Feedback:
    """What came of B slates of L creatives; all [B, L] but `impressions`."""

    impressions: Impressions
    slates: Tensor
    """int64, indices into the world's creatives."""
    clicked: Tensor
    """bool."""
    converted: Tensor
    """bool."""
    delay_hours: Tensor
    """float, from click to conversion; infinite where there is none."""
    propensities: Tensor | None = None
    """float, with which each slot's creative was chosen given the slots above, where it is known."""
    decisions: Tensor | None = None
    """[B] int64, the agent's number for each decision, where it is known."""

    def __getitem__(self, rows: Tensor | slice) -> "Feedback":
        given = {name: value[rows] for name, value in vars(self).items() if value is not None}
        return Feedback(**given)


@dataclass(frozen=True)
class Scales:
    """What was fitted so that the world meets its scenario: intercepts and factors on the text utilities."""

    click_base: float
    convert_base: float
    text_click: float
    text_convert: float


@dataclass
class World:
    """Users, products and creatives in tensors on one device.

    `creatives` may grow while the world runs (`publish`); an index, once given, stays.
    """

    scenario: Scenario
    catalog: Catalog
    audience: Audience
    traffic: Traffic
    reader: Reader
    clicks: torch.Generator
    """Draws examination and clicks; on the device."""
    conversions: torch.Generator
    """Draws conversions and their delays; on the device."""
    creatives: list[Creative] = field(default_factory=list)

    def __post_init__(self) -> None:
        device = self.device
        channels = list(self.scenario.channels.values())
        self._examination = torch.tensor([channel.examination for channel in channels], device=device)
        self._channel_base = torch.tensor([channel.base for channel in channels], device=device)
        self._intent = torch.tensor([channel.intent for channel in channels], device=device)
        self._channel_share = torch.tensor([channel.share for channel in channels], device=device)
        price = torch.tensor([product.price for product in self.catalog.products], dtype=torch.float64)
        price = price.clamp(min=0.01).log()
        self._price = ((price - price.mean()) / price.std(correction=0).clamp(min=1e-6)).float().to(device)
        self._category = torch.tensor(self.catalog.category_of, device=device)
        fits = [
            [self.scenario.category_tastes.get(category, {}).get(appeal, 0.0) for appeal in self.scenario.appeals]
            for category in self.catalog.categories
        ]
        self._category_tastes = torch.tensor(fits, device=device)
        self._product = torch.zeros(0, dtype=torch.int64, device=device)
        self._reading = Reading(*(torch.zeros(shape, device=device) for shape in ((0, len(fits[0])), (0,), (0,))))
        self._exposure = Exposure(self.scenario.recovery_hours, torch.zeros(len(self.audience), 0, device=device))
        self.scales = Scales(0.0, 0.0, 1.0, 1.0)
        self._meet_scenario()

    @property
    def device(self) -> torch.device:
        """Where all of it lives."""
        return self.audience.segment.device

    @property
    def slots(self) -> int:
        """Slots of a slate, L."""
        return self.scenario.slots

    @property
    def examination(self) -> Tensor:
        """[channels, L] probability that a slot is looked at."""
        return self._examination

    def publish(self, creatives: Sequence[Creative]) -> Tensor:
        """Adds creatives and returns their indices, [n] int64."""
        first = len(self.creatives)
        self.creatives.extend(creatives)
        product, reading = self._read(creatives)
        self._product = torch.cat([self._product, product])
        self._reading = Reading.concatenate(self._reading, reading)
        self._exposure.add_creatives(len(creatives))
        return torch.arange(first, len(self.creatives), device=self.device)

    def products_of(self, creatives: Tensor) -> Tensor:
        """Product index of each creative index; any shape."""
        return self._product[creatives]

    def reset(self, seed: int) -> None:
        """Starts over from a seed: the clock at zero, nobody worn, new draws. Users, products and creatives stay.

        A world fresh from `make_world(..., seed=seed)` is reset to this seed already.
        """
        for component, generator in enumerate((self.traffic.generator, self.clicks, self.conversions), start=1):
            generator.manual_seed(seed * 1000 + component)
        self.traffic.hours = 0.0
        self._exposure.clear()

    def visitors(self, n: int) -> Impressions:
        """The next n impressions."""
        self._exposure.rebase(self.traffic.hours)
        return self.traffic.visitors(n)

    def expected(self, impressions: Impressions, slates: Tensor) -> Rates:
        """Gold rates of [B, L] slates, with the fatigue of this moment.

        A creative given twice in a slate is shown once: its later slot stays empty and is never examined.
        """
        worn = self._exposure.level(impressions.user, slates, impressions.hours)
        click = torch.sigmoid(self._click_logit(impressions, slates) - fatigue(worn, self.scenario.fatigue))
        convert = torch.sigmoid(self._convert_logit(impressions.user, slates))
        examine = self._examination[impressions.channel, : slates.shape[1]]
        return Rates(examine * first_showing(slates), click, convert)

    def respond(self, impressions: Impressions, slates: Tensor) -> Feedback:
        """Shows [B, L] slates: draws clicks and conversions, and remembers what was looked at."""
        rates = self.expected(impressions, slates)
        draw = torch.rand((2, *slates.shape), generator=self.clicks, device=self.device)
        examined = draw[0] < rates.examine
        clicked = examined & (draw[1] < rates.click)
        later = torch.rand((2, *slates.shape), generator=self.conversions, device=self.device)
        converted = clicked & (later[0] < rates.convert)
        delay = -self.scenario.conversion_delay_hours * torch.log(later[1].clamp(min=1e-12))
        self._exposure.see(impressions.user, slates, impressions.hours, examined)
        return Feedback(impressions, slates, clicked, converted, torch.where(converted, delay, torch.inf))

    def best(self, impressions: Impressions, candidates: Tensor, conversion_value: float = 0.0) -> Tensor:
        """The oracle: for each visitor the L candidates of highest expected worth, the best in the slot most looked at,
        [B, L] int64.

        Args:
            impressions: B visits.
            candidates: [K] creative indices.
            conversion_value: worth of a conversion in clicks.
        """
        shown = candidates.expand(len(impressions), -1)
        worn = self._exposure.level(impressions.user, shown, impressions.hours)
        click = torch.sigmoid(self._click_logit(impressions, shown) - fatigue(worn, self.scenario.fatigue))
        worth = click * (1 + conversion_value * torch.sigmoid(self._convert_logit(impressions.user, shown)))
        ranked = candidates[top_slots(worth, self.slots)]
        place = self._examination.argsort(dim=1, descending=True, stable=True)[impressions.channel]
        return torch.empty_like(ranked).scatter_(1, place, ranked)

    def gold(self, creatives: Sequence[Creative]) -> Rates:
        """Gold rates of texts for every user: each in the top slot, unworn, averaged over the channels' traffic.

        Nothing is published and nothing is drawn.

        Returns:
            Rates of shape [U, n]; in channels where visitors look for something, they look for this product.
        """
        product, reading = self._read(creatives)
        users = torch.arange(len(self.audience), device=self.device)[:, None]
        text = self._text_click(users, product[None], reading)
        interest = self._relevance(users, product[None])
        channel = self._channel_base + self._intent
        logit = click_logit(self.scales.click_base + channel[:, None, None], interest, text, torch.zeros_like(text))
        share = (self._channel_share / self._channel_share.sum())[:, None, None]
        click = (share * torch.sigmoid(logit)).sum(0)
        convert = torch.sigmoid(self._convert(users, product[None], reading.convert))
        return Rates(torch.ones_like(click), click, convert)

    def _read(self, creatives: Sequence[Creative]) -> tuple[Tensor, Reading]:
        product = torch.tensor(self.catalog.product_indices(creatives), dtype=torch.int64, device=self.device)
        return product, self.reader.read(creatives).to(self.device)

    def _click_logit(self, impressions: Impressions, slates: Tensor) -> Tensor:
        user, product = impressions.user[:, None], self._product[slates]
        sought = (impressions.query[:, None] == self._category[product]).float()
        base = self.scales.click_base + self._channel_base[impressions.channel][:, None]
        relevance = self._relevance(user, product) + self._intent[impressions.channel][:, None] * sought
        reading = Reading(self._reading.appeals[slates], self._reading.click[slates], self._reading.convert[slates])
        return click_logit(base, relevance, self._text_click(user, product, reading), torch.zeros_like(base))

    def _relevance(self, user: Tensor, product: Tensor) -> Tensor:
        return 0.5 * self.audience.interest[user, self._category[product]]

    def _text_utility(self, user: Tensor, product: Tensor, reading: Reading) -> Tensor:
        taste = self.audience.tastes[user] + self._category_tastes[self._category[product]]
        return (taste * reading.appeals).sum(-1) + reading.click

    def _text_click(self, user: Tensor, product: Tensor, reading: Reading) -> Tensor:
        return self.scales.text_click * self._text_utility(user, product, reading)

    def _convert_logit(self, user: Tensor, slates: Tensor) -> Tensor:
        return self._convert(user[:, None], self._product[slates], self._reading.convert[slates])

    def _convert(self, user: Tensor, product: Tensor, text: Tensor) -> Tensor:
        affinity = 0.3 * self.audience.interest[user, self._category[product]]
        price = self.audience.price_sensitivity[user] * self._price[product]
        return convert_logit(self.scales.convert_base, affinity, price, self.scales.text_convert * text)

    def _meet_scenario(self) -> None:
        """Fits scales and intercepts on the reference ads: text effect, then CTR and CVR under uniform placement."""
        ads = self.catalog.ads
        if not ads:
            raise InputError(
                "the catalog has no reference ads, which set the world's rates; add a table of ads or phrases"
            )
        product, reading = self._read(ads)
        users = torch.arange(len(self.audience), device=self.device)
        text_click = 1.0
        if self.scenario.text_effect is not None:
            utility = torch.stack([self._text_utility(users, product[i], _row(reading, i)) for i in range(len(ads))])
            text_click = scale_for_gain(utility, product, self.scenario.text_effect)
        text_convert = scale_for_gain(reading.convert[:, None], product, self.scenario.text_effect_cvr)
        self.scales = Scales(0.0, 0.0, text_click, text_convert)
        self._fit_intercepts(product, reading)

    def _fit_intercepts(self, product: Tensor, reading: Reading) -> None:
        generator = torch.Generator(self.device).manual_seed(0)
        keep = self.traffic.generator
        self.traffic.generator, hours = generator, self.traffic.hours
        sample = self.traffic.visitors(4000)
        self.traffic.generator, self.traffic.hours = keep, hours
        pick = torch.randint(len(product), (4000, self.slots), generator=generator, device=self.device)
        user, shown = sample.user[:, None], product[pick]
        sought = self._intent[sample.channel][:, None] * (sample.query[:, None] == self._category[shown])
        chosen = Reading(reading.appeals[pick], reading.click[pick], reading.convert[pick])
        logits = self._channel_base[sample.channel][:, None] + sought + self._relevance(user, shown)
        logits = logits + self._text_click(user, shown, chosen)
        examine = self._examination[sample.channel]
        click_base = intercept_for_rate(logits, examine, self.scenario.ctr / float(examine.mean()))
        weights = examine * torch.sigmoid(click_base + logits)
        convert_base = intercept_for_rate(self._convert(user, shown, chosen.convert), weights, self.scenario.cvr)
        self.scales = Scales(click_base, convert_base, self.scales.text_click, self.scales.text_convert)


def _row(reading: Reading, i: int) -> Reading:
    return Reading(*(getattr(reading, f.name)[i] for f in fields(reading)))


def make_world(
    scenario: Scenario,
    catalog: Catalog,
    *,
    seed: int = 0,
    users: int = 1000,
    device: torch.device | str = "cpu",
    reader: Reader | None = None,
) -> World:
    """Builds a world from a scenario and a catalog.

    Args:
        scenario: the trade and its people.
        catalog: products and reference ads; ads set the rates and the scale of the text effect.
        seed: of everything random; audiences are the same on every device.
        users: size of the audience, U.
        device: torch device of the world.
        reader: how texts are read; the scenario's own reader by default.

    Raises:
        InputError: the catalog has no ads.
    """
    people = torch.Generator().manual_seed(seed)
    audience = generate_audience(scenario, catalog.categories, users, people).to(device)

    def generator() -> torch.Generator:
        return torch.Generator(torch.device(device))

    traffic = Traffic(scenario, catalog.categories, audience, generator())
    reader = reader or TextReader(scenario, catalog, seed)
    world = World(scenario, catalog, audience, traffic, reader, clicks=generator(), conversions=generator())
    world.reset(seed)
    return world


def demo_world(scenario: str = "shop", *, seed: int = 0, users: int = 1000, device: str = "cpu") -> World:
    """A world of a built-in scenario."""
    setting, catalog = load_scenario(scenario)
    return make_world(setting, catalog, seed=seed, users=users, device=device)
