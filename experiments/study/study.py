"""What a run is about: the gold world, the prompts, and the effect model learned from logged feedback."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch

from ...policies.compliance.claims import KINDS, Claims
from ...policies.compliance.filter import Compliance
from ...policies.effect.accountant import Budget
from ...policies.effect.contract import TextEffect
from ...policies.learning.warm_start import split_ads
from ...policies.reward.fluency import FEW, Fluency
from ...policies.reward.reward import Quality, Reward, RewardConfig
from ...policies.writer.reading import FrozenReader
from ...policies.writer.writer import Writer
from ...simulation.data.catalog import EVERYONE, UNKNOWN, Catalog, Creative, Product
from ...simulation.world import World
from ..harness.rules import RulesOptions
from .pictures import Pictures

MODELS = 600
"""So many texts, at even steps, say what reads well: the catalog's ads or, of a writer that was pretrained, those
that its warm start held out; of one that writes placeholders, which has words of its own, its own texts."""


@dataclass(frozen=True)
class Study:
    """The parts of a run that exist before the writer does."""

    world: World
    """The gold: it judges, and nobody learns from its rates."""
    catalog: Catalog
    """What the writer learns its language from."""
    writer: Writer
    """Not trained yet."""
    asked: tuple[tuple[Product, str], ...]
    """Prompts: a product and an audience, which is a segment or, where visitors bring queries, a query."""
    effect: TextEffect
    """What the writer is rewarded by."""
    effect_metrics: dict[str, dict[str, float]]
    """By head (`click`, `convert`), on feedback that the effect model has not seen."""
    validation: TextEffect | None
    """What stops tuning and chooses among checkpoints, where something does: learned from feedback that nothing else
    has seen."""
    names_products: bool = True
    """Whether an ad has to name its product; headlines do not name their story."""
    gold_doubt: Callable[[Sequence[Creative], Sequence[Creative]], float] | None = None
    """Where the gold is itself an estimate: how unsure it is (standard deviation of the log) of the click lift of some
    texts over others. Its readers do not differ in what they make of a text, so intervals are over products then.
    """
    reader: FrozenReader | None = None
    """Who says to the effect model how texts read; None where nobody does, as the writer has read nothing yet."""
    pilot: int = 0
    """Texts of the untuned writer among the ads whose log the effect model learned from."""
    pictures: Pictures | None = None
    """Those that texts stand beside; None where there are none."""
    publishing: RulesOptions = field(default_factory=RulesOptions)
    """What may be published."""
    budget: Budget | None = None
    """What was spent to learn the effect models privately; None where privacy was not asked for."""
    notes: tuple[str, ...] = ()
    """What a reader of the figures must know."""

    def __post_init__(self) -> None:
        for catalog in (self.catalog, self.world.catalog):
            catalog.product_indices(Creative(product.product_id, "", audience) for product, audience in self.asked)

    @property
    def audiences(self) -> tuple[str, ...]:
        """Audiences that prompts name."""
        return tuple(dict.fromkeys(audience for _, audience in self.asked))

    def reward(self, config: RewardConfig, own: Sequence[Creative]) -> Reward:
        """The writer's reward, which reads as the writer does now; freeze it on the untuned writer, whose texts `own`
        are.
        """
        ads = list(filter(self.fit_to_say(config), self.catalog.ads))
        away = split_ads(self.catalog, ads)[1]
        models = own if self.writer.has_placeholders else ads
        models = away if self.writer.pretrained and models is ads and len(away) >= FEW else models
        # Not all of a writer's own texts are good: of them twice as many fail.
        share = max(0.0, 2 * config.fluency - 1) if models is own else config.fluency
        models = models[:: -(-len(models) // MODELS) or 1]
        reader = self.reader or FrozenReader(self.writer, self.catalog)
        fluency = Fluency.of(reader, models, share) if config.fluency else None
        limit = self.writer.config.max_characters
        quality = Quality.of(self.catalog, naming=self.names_products, limit=limit, fluency=fluency)
        return Reward(self.effect, quality, self.compliance(config), config)

    def compliance(self, config: RewardConfig) -> Compliance:
        """What says which texts may be published: rules, the platform's limits and, under `strict`, that nothing is
        claimed that no field supports.
        """
        truthful = self.names_products and config.claims == "strict"
        return self.publishing.compliance(self.catalog, KINDS if truthful else ())

    def claims(self, config: RewardConfig) -> Claims | None:
        """What finds claims that no field supports; None where they are not looked at, or texts are of no product."""
        return Claims(self.catalog) if self.names_products and config.claims != "off" else None

    def fit_to_say(self, config: RewardConfig) -> Callable[[Creative], bool]:
        """Which ads the writer may learn from: those that might be published, if need be in fewer characters."""
        limitless = replace(self, publishing=replace(self.publishing, platform="")).compliance(config)
        return lambda creative: not any(limitless.refusing([creative]))


def prompts(catalog: Catalog, audiences: Sequence[str], queries: int) -> tuple[tuple[Product, str], ...]:
    """Every product for every audience; where visitors bring queries, for at most `queries` of its category.

    Visitors whose segment is not known are written for as everyone. The products of a category take its queries in
    turns, so that as many as possible are answered.
    """
    if not catalog.queries:
        audiences = list(dict.fromkeys(EVERYONE if name == UNKNOWN else name for name in audiences))
        return tuple((product, audience) for product in catalog.products for audience in audiences)
    asked, turn = [], dict.fromkeys(catalog.categories, 0)
    for product in catalog.products:
        own = [query.text for query in catalog.queries if query.category == product.category]
        asked += [(product, own[(turn[product.category] + i) % len(own)]) for i in range(min(queries, len(own)))]
        turn[product.category] += queries
    return tuple(asked)


def write_for(
    writer: Writer,
    prompts: Sequence[tuple[Product, str]],
    n: int,
    seed: int,
    progress: Callable[[int], None] = lambda texts: None,
) -> list[Creative]:
    """n texts for every prompt; `progress` as in `Writer.write`."""
    products, audiences = zip(*prompts, strict=True)
    return writer.write(products, audiences, n, generator=torch.Generator().manual_seed(seed), progress=progress)


def sample_prompts(asked: Sequence[tuple[Product, str]], most: int, seed: int) -> list[tuple[Product, str]]:
    """At most `most` prompts, drawn without replacement."""
    order = torch.randperm(len(asked), generator=torch.Generator().manual_seed(seed))
    return [asked[i] for i in order[:most].tolist()]
