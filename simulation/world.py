"""The simulated world: visitors come, see slates of creatives, click and convert. Its rates are the gold."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .data.catalog import Catalog, Creative
from .response.click_models import best_order, examination, first_showing, top_slots, walk
from .response.computed import Computed
from .response.fatigue import saturating
from .response.few import FEW, Few
from .response.lookup import CLICK, CONVERT, SOUGHT, WORN, Lookup
from .response.rates import attributed
from .response.scales import meet
from .response.utilities import Scales, Utilities
from .scenario import Scenario, load_scenario
from .text.queries import Queries
from .text.reading import Reader, TextReader
from .visitors.audience import Audience, generate_audience
from .visitors.drift import Drift
from .visitors.stream import Rows, Stream
from .visitors.traffic import Traffic
from .visits import Feedback, Impressions

TABLE = 1 << 26
"""Pairs of a user and a creative up to which their figures stand in a table, of 12 bytes a pair; beyond, they are
computed at each visit, which takes longer and rounds otherwise."""


@dataclass(frozen=True)
class Rates:
    """Expected response of B slates of L creatives; all [B, L] float32."""

    examine: Tensor
    """P(looked at)."""
    click: Tensor
    """P(click | examined)."""
    convert: Tensor
    """P(conversion inside the attribution window | click)."""

    @property
    def ctr(self) -> Tensor:
        """Clicks an impression, examination included."""
        return self.examine * self.click


@dataclass
class World:
    """Users, products and creatives in tensors on one device.

    `creatives` may grow while the world runs (`publish`); an index, once given, stays. What does not change from visit
    to visit is kept by user and creative, so a visit costs a few look-ups; with too many pairs of them it is computed.
    """

    scenario: Scenario
    catalog: Catalog
    audience: Audience
    traffic: Traffic
    utilities: Utilities
    responses: torch.Generator
    """Draws looks, clicks, conversions and their delays; on the device."""
    creatives: list[Creative] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.device = device = self.audience.segment.device
        scenario = self.scenario
        channels = list(scenario.channels.values())
        self.examination = torch.tensor([channel.examination for channel in channels], device=device)
        """[channels, L] probability that a slot is looked at, where no click above it keeps the visitor away."""
        self._share = torch.tensor([channel.share for channel in channels], device=device)
        self._rivals = torch.tensor([channel.competitors for channel in channels], device=device)
        self._going_on = scenario.reads_on if scenario.top_down else None
        self._drift = Drift(scenario, device)
        self._luck = Stream(self._draw_luck)
        self._attributed = attributed(scenario.conversion_delay_hours, scenario.attribution_hours)
        self._start_empty()
        self._weight = torch.tensor([-scenario.fatigue, 1.0], device=device)[:, None, None]
        self.slots = scenario.slots
        """Slots of a slate, L."""
        interest = (scenario.interest_gain, scenario.interest_loss)
        plain = device.type == "cpu" and not scenario.top_down and not self._drift.moves
        self._few = Few(self.examination, self._queries, scenario.fatigue, interest) if plain else None

    @property
    def reader(self) -> Reader:
        """How texts are read."""
        return self.utilities.reader

    @property
    def scales(self) -> Scales:
        """What was fitted."""
        return self.utilities.scales

    def publish(self, creatives: Sequence[Creative]) -> Tensor:
        """Adds creatives and returns their indices, [n] int64."""
        first = len(self.creatives)
        self.creatives.extend(creatives)
        self._tabulate(creatives)
        return torch.arange(first, len(self.creatives), device=self.device)

    def products_of(self, creatives: Tensor) -> Tensor:
        """Product index of each creative index; any shape."""
        return self.product[creatives]

    def rescale(self, scales: Scales) -> None:
        """Sets what is otherwise fitted; users forget what they have seen."""
        self.utilities.scales = scales
        self._start_empty()
        self._tabulate(self.creatives)

    def reset(self, seed: int, hours: float = 0.0) -> None:
        """Starts over from a seed: the clock at an hour, nobody worn, new draws. Users, products and creatives stay.

        A world fresh from `make_world(..., seed=seed)` is reset to this seed already.
        """
        self.traffic.start(seed * 1000 + 1, hours)
        self.responses.manual_seed(seed * 1000 + 2)
        self._luck.clear()
        self.lookup.forget(hours)

    def visitors(self, n: int) -> Impressions:
        """The next n impressions."""
        self.lookup.rebase(self.traffic.hours)
        return self.traffic.visitors(n)

    def expected(self, impressions: Impressions, slates: Tensor) -> Rates:
        """Gold rates of [B, L] slates, with the fatigue and the interests of this moment.

        A creative given twice in a slate is shown once: its later slot stays empty and is never examined.
        """
        click, convert = self._chances(impressions, slates)[0]
        attention = self.examination[impressions.channel, : slates.shape[1]]
        looked = examination(attention, click, first_showing(slates), self.scenario.reads_on)
        return Rates(looked, click, self._attributed * convert)

    def respond(self, impressions: Impressions, slates: Tensor) -> Feedback:
        """Shows [B, L] slates: draws clicks and conversions, and remembers what was looked at."""
        if self._few is not None and slates.shape[0] <= FEW and isinstance(self.lookup, Lookup):
            visits, (luck,) = impressions, self._luck.take(slates.shape[0])
            parts = (visits.user, visits.channel, visits.query, visits.hours, visits.moment)
            clicked, converted, delay, looked = self._few.respond(self.lookup, parts, slates, luck)
            return Feedback(impressions, slates, clicked, converted, delay, looked=looked)
        chances, cells, growth = self._chances(impressions, slates)
        attention = self.examination.index_select(0, impressions.channel)
        *luck, delay = self._luck.take(slates.shape[0])[0].unbind(1)
        if slates.shape[1] < self.slots:
            attention, delay, *luck = (part[:, : slates.shape[1]] for part in (attention, delay, *luck))
        looked, clicked, converted = walk(luck, attention, chances, first_showing(slates), self._going_on)
        look, click = looked.float(), clicked.float()
        mood = self.scenario.interest_gain * click - self.scenario.interest_loss * look
        self.lookup.remember(cells, torch.stack([look, mood]) * growth)
        delay = torch.where(converted, delay, torch.inf)
        return Feedback(impressions, slates, clicked, converted, delay, looked=looked)

    def best(self, impressions: Impressions, candidates: Tensor, conversion_value: float = 0.0) -> Tensor:
        """The oracle: for each visitor the L candidates of highest expected worth, the best in the slot most looked at,
        [B, L] int64. Where a click keeps visitors from the slots below, see `click_models.best_order`.

        Args:
            impressions: B visits.
            candidates: [K] creative indices.
            conversion_value: worth of a conversion in clicks.
        """
        shown = candidates.expand(len(impressions), -1)
        click, convert = self._chances(impressions, shown)[0]
        worth = click * (1 + conversion_value * self._attributed * convert)
        if self.scenario.top_down:
            attention = self.examination[impressions.channel]
            return candidates[best_order(attention, click, worth, self.scenario.reads_on)]
        ranked = candidates[top_slots(worth, self.slots)]
        place = self.examination.argsort(dim=1, descending=True, stable=True)[impressions.channel]
        return torch.empty_like(ranked).scatter_(1, place, ranked)

    def gold(self, creatives: Sequence[Creative]) -> Rates:
        """Gold rates of texts for every user: each in the top slot, unworn, averaged over the channels' traffic, with
        the tastes of this moment, at an average hour and beside competitors of average pull.

        Nothing is published and nothing is drawn.

        Returns:
            Rates of shape [U, n]; in channels where visitors look for something, they look for what this creative was
            written for, or for something of its category.
        """
        product, reading = self.utilities.read(creatives)
        click = self.utilities.click(product, reading)
        if self._drift.moves:
            now = torch.tensor([self.traffic.hours], dtype=torch.float64, device=self.device)
            click = click + self._drift.tastes(now) @ self.utilities.appeals(reading).T
        answers = self.traffic.queries.own(creatives).to(self.device)
        base = self.utilities.channel_base - self._rivals.log1p()
        channel = base[:, None] + self.utilities.intent[:, None] * answers
        share = (self._share / self._share.sum())[:, None, None]
        average = (share * torch.sigmoid(click + channel[:, None])).sum(0)
        convert = self._attributed * torch.sigmoid(self.utilities.convert(product, reading))
        return Rates(torch.ones_like(average), average, convert)

    def _chances(self, impressions: Impressions, slates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """P(click | examined) and P(conversion, however late | click), [2, B, L]; where the figures lie, [5, B, L]; and
        the growth of what is remembered, [2, B, 1].
        """
        sought = impressions.channel * self._queries + impressions.query + 1
        cells = self.lookup.cells(impressions.user, sought, slates)
        figures, growth = self.lookup.figures(cells), self.lookup.growth(impressions.hours)
        click = figures[CLICK]
        click += figures[SOUGHT]
        click += (saturating(figures[WORN:] / growth) * self._weight).sum(0)
        if impressions.moment is not None:
            click += impressions.moment[:, None]
        if self._drift.moves:
            click += (self._drift.tastes(impressions.hours)[:, None] * self._appeals[slates]).sum(-1)
        return torch.sigmoid(figures[: CONVERT + 1]), cells, growth

    def _start_empty(self) -> None:
        scenario, device = self.scenario, self.device
        self._recovery = (scenario.recovery_hours, scenario.interest_recovery_hours)
        self._queries = len(self.traffic.queries) + 1
        self.lookup: Lookup | Computed = self._table()
        self.product = torch.zeros(0, dtype=torch.int64, device=device)
        """[C] int64, index of each creative's product."""
        self.overclaim = torch.zeros(0, device=device)
        """[C] in [0, 1], how much each creative overclaims."""
        self._appeals = torch.zeros(0, len(scenario.appeals), device=device)

    def _tabulate(self, creatives: Sequence[Creative]) -> None:
        utilities = self.utilities
        product, reading = utilities.read(creatives)
        self.product = torch.cat([self.product, product])
        self.overclaim = torch.cat([self.overclaim, reading.promised])
        self._appeals = torch.cat([self._appeals, utilities.appeals(reading)])
        sought, category = utilities.sought(creatives).flatten(0, 1), utilities.category_of(product)
        if len(self.audience) * len(self.product) > TABLE and isinstance(self.lookup, Lookup):
            self.lookup = self._computed(self.lookup)
        if isinstance(self.lookup, Lookup):
            click, convert = utilities.click(product, reading), utilities.convert(product, reading)
            self.lookup.publish(click, convert, sought, category)
        else:
            self.lookup.publish(utilities.weights(product, reading), sought, category)

    def _table(self) -> Lookup:
        sought = len(self.scenario.channels) * self._queries
        return Lookup(len(self.audience), sought, len(self.catalog.categories), self._recovery, self.device)

    def _computed(self, table: Lookup) -> Computed:
        """What takes the place of a table that is to grow beyond `TABLE`."""
        utilities = self.utilities
        lookup = Computed(utilities.people(), len(table.part(SOUGHT)), len(self.catalog.categories), self._recovery)
        known = self.creatives[: table.part(SOUGHT).shape[1]]
        product, reading = utilities.read(known)
        weights, sought = utilities.weights(product, reading), utilities.sought(known).flatten(0, 1)
        lookup.publish(weights, sought, utilities.category_of(product))
        lookup.take_over(table)
        return lookup

    def _draw_luck(self, n: int) -> Rows:
        """Uniform numbers for look, click and conversion, and delays in the attribution window, hours; [n, 4, L]."""
        draw = torch.rand((4, n, self.slots), generator=self.responses, device=self.device)
        late = -torch.log1p(-self._attributed * draw[3].clamp_(max=1 - 1e-7))
        # A conversion that would come too late is not one: its chance shrinks, so its luck is stretched.
        draw[2] /= self._attributed
        draw[3] = self.scenario.conversion_delay_hours * late
        return (draw.transpose(0, 1),)


def make_world(
    scenario: Scenario,
    catalog: Catalog,
    *,
    seed: int = 0,
    users: int = 1000,
    device: torch.device | str = "cpu",
    reader: Reader | None = None,
    audience: Audience | None = None,
    scales: Scales | None = None,
) -> World:
    """Builds a world from a scenario and a catalog.

    Args:
        scenario: the trade and its people.
        catalog: products and reference ads; ads set the rates and the scale of the text effect.
        seed: of everything random; audiences are the same on every device.
        users: size of the audience, U.
        device: torch device of the world.
        reader: how texts are read; the scenario's own reader by default.
        audience: who comes; drawn from the scenario's segments by default.
        scales: what was fitted to a log; by default they meet the rates that the scenario asks for.

    Raises:
        InputError: the catalog has no ads, and no scales are given.
    """
    people = torch.Generator().manual_seed(seed)
    audience = (audience or generate_audience(scenario, catalog.categories, users, people)).to(device)

    def generator() -> torch.Generator:
        return torch.Generator(torch.device(device))

    traffic = Traffic(scenario, Queries(catalog), audience, generator())
    reader = reader or TextReader(scenario, catalog, seed)
    utilities = Utilities(scenario, catalog, audience, traffic.queries, reader, scales or Scales())
    if scales is None:
        utilities.scales = meet(scenario, utilities, traffic)
    world = World(scenario, catalog, audience, traffic, utilities, responses=generator())
    world.reset(seed)
    return world


def demo_world(scenario: str = "shop", *, seed: int = 0, users: int = 1000, device: str = "cpu") -> World:
    """A world of a built-in scenario."""
    setting, catalog = load_scenario(scenario)
    return make_world(setting, catalog, seed=seed, users=users, device=device)
