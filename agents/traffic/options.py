"""What stands between an agent and its traffic, chosen by options: delays, money, caps, likeness, minimum exposure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from ...simulation.data.errors import InputError
from ..agent import PlacementAgent
from .delay import Delayed
from .frequency import FrequencyCap
from .pacing import Paced, Prices
from .slate import Apart, Cap, Layout, text_vectors
from .units import Of, Units, Within

if TYPE_CHECKING:
    from ...simulation.data.catalog import Catalog, Creative
    from ...simulation.scenario import Scenario
    from ...simulation.world import World


@dataclass(frozen=True)
class TrafficOptions:
    """What agents have to live with; by default they are told all at once and may show anything to anyone."""

    delay: Literal["none", "credited", "waited", "ignored"] = "none"
    """When agents are told of conversions. none: at once. Otherwise when they happen, as late as the scenario says:
    credited: clicks are learned at once, with the conversions that they usually bring, and corrected by those that come
    (agents that cannot correct wait); waited: feedback is waited for, and what is missing then is corrected for;
    ignored: what has not happened by the next batch counts as no conversion."""
    click_model: Literal["own", "independent"] = "own"
    """What agents take a click to say of the slots below it. own: what it says in this world, where visitors may stop
    reading; independent: nothing, so that what was not read counts as not clicked: what the wrong model costs."""
    wait_hours: float = 0.0
    """Hours that feedback is waited for, where it is; 0: the scenario's mean delay."""
    budget: float | None = None
    """Money for all visits of a run, at the prices of the scenario's channels: agents buy the visits that are worth
    most for it, and show nothing in the others."""
    brand_cap: int | None = None
    """Creatives of one brand in a slate, at most."""
    daily_cap: int | None = None
    """Showings of one creative to one user in a day, at most."""
    most_alike: float | None = None
    """Likeness of two texts in one slate, at most: the cosine of their n-grams, 1 for the same text."""
    min_exposure: float = 0.0
    """Share of what its audience looks at that each product is to have at least, at any time; 0: none. Agents favour
    what trails; uniform placement does not. A comparison's agents may each have their own: linucb:min_exposure=0.01."""
    min_exposure_of: Of = "product"
    """Who is to have it: each product, each category, or each brand, the advertiser."""
    min_exposure_within: Within = "everyone"
    """Whose looks count together: everyone's, those of each segment, or of each channel."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_exposure <= 1:
            raise InputError(f"--min-exposure {self.min_exposure:g}: give a share from 0 to 1")
        if self.wait_hours < 0:
            raise InputError(f"--wait-hours {self.wait_hours}: give a number of 0 or more")
        for name in ("budget", "brand_cap", "daily_cap"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"--{name.replace('_', '-')} {value}: give a number above 0")
        if self.most_alike is not None and not -1 <= self.most_alike <= 1:
            raise InputError(f"--most-alike {self.most_alike}: give a cosine, from -1 to 1")

    @property
    def given(self) -> dict[str, Any]:
        """What is asked for, by name; empty where agents are told all and may show anything."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        about = ("min_exposure_of", "min_exposure_within")
        return {name: value for name, value in given.items() if self.min_exposure or name not in about}

    def idle(self) -> Mapping[str, str]:
        """Only who learns of delayed conversions waits."""
        waits = self.delay in ("credited", "waited")
        return {} if waits else {"wait-hours": "without --delay credited or waited"}

    def check_exposure(
        self, creatives: "Sequence[Creative]", catalog: "Catalog", attention: Sequence[Sequence[float]]
    ) -> None:
        """Refuses a minimum exposure that these creatives, in slots of each channel's attention, cannot all have.

        Raises:
            InputError: naming the largest that they can.
        """
        if self.min_exposure:
            units = Units.in_catalog(catalog, self.min_exposure_of)
            units.check(self.min_exposure, [creative.product_id for creative in creatives], attention)

    def check(self, scenario: "Scenario", catalog: "Catalog") -> None:
        """Refuses what a world has no facts for.

        Raises:
            InputError: its slots are read independently, its conversions are not delayed, a channel costs nothing, or
                products have no brands.
        """
        if self.brand_cap is not None and not any(product.brand for product in catalog.products):
            raise InputError(f"--brand-cap {self.brand_cap}: no product of {scenario.name} has a brand; leave it out")
        if self.click_model == "independent" and scenario.reads_on == 1:
            raise InputError(
                f"--click-model independent: in {scenario.name} slots are read independently; leave it out, or try feed"
            )
        if self.delay != "none" and not scenario.conversion_delay_hours > 0:
            raise InputError(
                f"--delay {self.delay}: conversions of {scenario.name} are not delayed; give it conversion_delay_hours"
            )
        if self.budget is not None:
            Prices.of(scenario)


NO_OPTIONS = TrafficOptions()


def layout_for(world: "World", options: TrafficOptions) -> Layout | None:
    """Caps on a slate of a world's creatives, None where there are none."""
    caps = []
    if options.brand_cap is not None:
        products = world.catalog.products
        brands = [products[i].brand for i in world.product.tolist()]
        caps = [Cap.of(brands, int(options.brand_cap), world.device)]
    apart = None
    if options.most_alike is not None:
        vectors = text_vectors(world.creatives, world.device)
        apart = Apart(vectors, options.most_alike)
    return Layout(caps, apart) if caps or apart else None


def in_traffic(agent: PlacementAgent, world: "World", options: TrafficOptions, visits: int) -> PlacementAgent:
    """An agent behind what the options ask for.

    Args:
        agent: may be a wrapper already, which decides what is offered.
        world: its users, delays and prices.
        options: what is asked for.
        visits: for which a budget shall last.

    Raises:
        InputError: the world has no facts for it.
    """
    options.check(world.scenario, world.catalog)
    if options.daily_cap is not None:
        agent = FrequencyCap(agent, len(world.audience), int(options.daily_cap))
    if options.delay != "none":
        mean = world.scenario.conversion_delay_hours
        agent = Delayed(agent, options.wait_hours or mean, mean, options.delay)
    if options.budget is not None:
        agent = Paced(agent, options.budget, visits, Prices.of(world.scenario, world.device))
    return agent
