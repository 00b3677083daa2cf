"""What a run is about: the gold world, the prompts, and the effect model learned from logged feedback."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from ..policies.effect import CLICK, CONVERT, MEMBERS, EffectConfig, EffectModel, fit_effect_model
from ..policies.effect_metrics import binomial_metrics
from ..policies.pairwise import PairwiseEffect
from ..policies.ppo import TuneConfig
from ..policies.reward import Quality, Reward, RewardConfig
from ..policies.warm_start import WarmStartConfig
from ..policies.writer import BUILT_IN, Writer, WriterConfig, make_writer
from ..simulation.audience import Audience, generate_audience
from ..simulation.catalog import EVERYONE, Catalog, Creative, Product
from ..simulation.logs import Counts, count_log, count_uniform, read_log
from ..simulation.scenario import Scenario, load_scenario
from ..simulation.segments import (
    Method,
    Number,
    Segments,
    audience_behaviour,
    describe,
    find_segments,
    log_behaviour,
    with_segments,
)
from ..simulation.tables import InputError
from ..simulation.world import World, make_world
from .config import CommonOptions
from .runs import Run


@dataclass(frozen=True)
class StudyOptions(CommonOptions):
    """What is written for, who answers, and how much is logged before anything is learned."""

    scenario: str = "shop"
    """A built-in world, or the path of one's own YAML file."""
    catalog: Path | None = None
    """Products to write for (CSV or Parquet), instead of the scenario's."""
    ads: Path | None = None
    """Reference ads of that catalog: a table with product_id and text."""
    logs: Path | None = None
    """Logged impressions: the effect model learns from them instead of from the simulated users."""
    archive: Path | None = None
    """Real A/B tests (the Upworthy archive, or test_id, text, impressions, clicks) instead of a catalog."""
    users: int = 1000
    """Simulated users."""
    segments: Number = 0
    """Segments to find in what users do, instead of those that the scenario declares or the log names: how many, or
    auto. A log that names none is divided even at 0, as auto does."""
    segments_by: Method = "kmeans"
    """How segments are found: kmeans, or a mixture of Gaussians."""
    log_impressions: int = 6_000_000
    """Impressions of the reference ads, placed at random, that the effect model learns from."""
    model: str = BUILT_IN
    """built-in (a small GPT-2 made for the catalog), or any Hugging Face causal LM by name or path."""
    queries_per_product: int = 6
    """Where visitors bring queries, the writer answers so many of a product's category, in turns."""
    samples: int = 2
    """Texts a prompt that the verdict is given on."""
    watch_every: int = 8
    """Updates between two looks at the gold; they inform the report, never the writer."""
    conversion_value: float = 10.0
    """Worth of a conversion in clicks, wherever one figure is wanted."""
    writer: WriterConfig = field(default_factory=WriterConfig)
    warm_start: WarmStartConfig = field(default_factory=WarmStartConfig)
    effect: EffectConfig = field(default_factory=EffectConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    ppo: TuneConfig = field(default_factory=TuneConfig)

    def __post_init__(self) -> None:
        least = {"users": 1, "log_impressions": 1000, "samples": 1, "watch_every": 1, "conversion_value": 0}
        least["queries_per_product"] = 1
        for name, low in least.items():
            if getattr(self, name) < low:
                raise InputError(f"--{name.replace('_', '-')} {getattr(self, name)}: give {low} or more")
        if self.segments != "auto" and self.segments not in (0, *range(2, 51)):
            raise InputError(f"--segments {self.segments}: give 2 to 50, auto, or 0 for those that are declared")


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
    effect: EffectModel | PairwiseEffect
    """What the writer is rewarded by."""
    effect_metrics: dict[str, dict[str, float]]
    """By head (`click`, `convert`), on feedback that the effect model has not seen."""
    names_products: bool = True
    """Whether an ad has to name its product; headlines do not name their story."""
    gold_doubt: Callable[[Sequence[Creative], Sequence[Creative]], float] | None = None
    """Where the gold is itself an estimate: how unsure it is (standard deviation of the log) of the click lift of some
    texts over others. Its readers do not differ in what they make of a text, so intervals are over products then.
    """
    notes: tuple[str, ...] = ()
    """What a reader of the figures must know."""

    @property
    def audiences(self) -> tuple[str, ...]:
        """Audiences that prompts name."""
        return tuple(dict.fromkeys(audience for _, audience in self.asked))

    def reward(self, config: RewardConfig) -> Reward:
        """The writer's reward; freeze it on the untuned writer."""
        return Reward(self.effect, Quality.of(self.catalog, naming=self.names_products), config)


def shop_study(options: StudyOptions, run: Run) -> Study:
    """A catalog's study: the effect model learns from what is logged in the world, or from the user's own log.

    Raises:
        InputError: an option or a file is no good.
    """
    scenario, catalog = load_scenario(options.scenario)
    if options.catalog is not None:
        catalog = Catalog.read(options.catalog, options.ads).with_phrases(catalog.phrases, scenario.phrases_per_product)
    elif options.ads is not None:
        raise InputError("--ads goes with --catalog; give both")
    table = None if options.logs is None else read_log(options.logs, catalog)
    if table is not None:
        logged = table.drop_duplicates(["product_id", "text"])
        texts = [Creative(p, t) for p, t in zip(logged.product_id, logged.text, strict=True)]
        catalog = catalog.with_ads(list(dict.fromkeys([*catalog.ads, *texts])))
    device = options.torch_device()
    writer = make_writer(catalog, options.writer, model=options.model, seed=options.seed, device=device)
    people, divided = _audience(scenario, catalog, options)
    world = make_world(scenario, catalog, seed=options.seed, device=device, audience=people)
    if table is None:
        train, test = _simulated_log(world, options, run)
        audiences = world.audience.segments
    else:
        cut = table.impression_id.isin(table.impression_id.drop_duplicates().iloc[::10])
        table, divided = _log_segments(table, cut, catalog, options)
        train, test = count_log(table[~cut]), count_log(table[cut])
        audiences = train.segments
    with run.stage("effect model", total=len(MEMBERS)) as stage:
        divided.profile.to_csv(run.path / "segments.csv", index=False)
        effect = fit_effect_model(train, catalog, options.effect, seed=options.seed, progress=stage.advance)
        metrics = effect_metrics(effect, test)
        stage.advance(0, f"click AUC {metrics['click'].get('auc', float('nan')):.3f}")
    asked = prompts(catalog, audiences, options.queries_per_product)
    notes = () if options.logs is None else (OWN_LOGS,)
    return Study(world, catalog, writer, asked, effect, metrics, notes=notes)


OWN_LOGS = (
    "The effect model was learned from your log; the gold that judges is the scenario's world, which was not fitted to "
    "it: read its lift as a rehearsal."
)


def _audience(scenario: Scenario, catalog: Catalog, options: StudyOptions) -> tuple[Audience, Segments]:
    """The world's users, of the segments that are declared, or of those found in what was seen of them."""
    generator = torch.Generator().manual_seed(options.seed)
    people = generate_audience(scenario, catalog.categories, options.users, generator)
    behaviour = audience_behaviour(people, catalog.categories)
    if not options.segments:
        return people, describe(behaviour, people.segment.numpy(), people.segments)
    found = find_segments(behaviour, options.segments, options.segments_by, options.seed)
    return with_segments(people, found), found


def _log_segments(
    table: pd.DataFrame, held_out: pd.Series, catalog: Catalog, options: StudyOptions
) -> tuple[pd.DataFrame, Segments]:
    """The log with a `user_segment`, found in what is not held out; users seen nowhere else are everyone."""
    behaviour = log_behaviour(table[~held_out], catalog)
    users = behaviour.values.index
    if "user_segment" in table and not options.segments:
        declared, names = pd.factorize(table[~held_out].groupby("user_id").user_segment.first().reindex(users))
        return table, describe(behaviour, declared, list(names))
    found = find_segments(behaviour, options.segments or "auto", options.segments_by, options.seed)
    named = pd.Series([found.names[i] for i in found.label], index=users)
    return table.assign(user_segment=table.user_id.map(named).fillna(EVERYONE)), found


def _simulated_log(world: World, options: StudyOptions, run: Run) -> tuple[Counts, Counts]:
    generator = torch.Generator(world.device).manual_seed(options.seed + 5)
    tenth = options.log_impressions // 10
    with run.stage("log of reference ads", total=options.log_impressions) as stage:
        train = count_uniform(world, world.catalog.ads, options.log_impressions - tenth, generator, stage.advance)
        test = count_uniform(world, world.catalog.ads, tenth, generator, stage.advance)
        stage.advance(0, f"{int(train.clicks.sum()):,} clicks, {int(train.conversions.sum()):,} conversions")
    return train, test


def effect_metrics(effect: EffectModel, test: Counts) -> dict[str, dict[str, float]]:
    """Log-loss, AUC, calibration error, precision, recall and F1 of both heads on a log."""
    rates = effect.predict_cells(test).double().numpy()
    heads = {"click": (CLICK, test.impressions, test.clicks), "convert": (CONVERT, test.clicks, test.conversions)}
    return {
        name: binomial_metrics(rates[:, head], trials.double().numpy(), successes.double().numpy())
        for name, (head, trials, successes) in heads.items()
    }


def prompts(catalog: Catalog, audiences: Sequence[str], queries: int) -> tuple[tuple[Product, str], ...]:
    """Every product for every audience; where visitors bring queries, for at most `queries` of its category.

    The products of a category take its queries in turns, so that as many as possible are answered.
    """
    if not catalog.queries:
        return tuple((product, audience) for product in catalog.products for audience in audiences)
    asked, turn = [], dict.fromkeys(catalog.categories, 0)
    for product in catalog.products:
        own = [query.text for query in catalog.queries if query.category == product.category]
        asked += [(product, own[(turn[product.category] + i) % len(own)]) for i in range(min(queries, len(own)))]
        turn[product.category] += queries
    return tuple(asked)


def sample_prompts(asked: Sequence[tuple[Product, str]], most: int, seed: int) -> list[tuple[Product, str]]:
    """At most `most` prompts, drawn without replacement."""
    order = torch.randperm(len(asked), generator=torch.Generator().manual_seed(seed))
    return [asked[i] for i in order[:most].tolist()]
