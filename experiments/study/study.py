"""What a run is about: the gold world, the prompts, and the effect model learned from logged feedback."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from ...policies.effect.metrics import binomial_metrics
from ...policies.effect.model import CLICK, CONVERT, MEMBERS, VALIDATORS, EffectConfig, EffectModel, fit_effect_model
from ...policies.headlines.pairwise import PairwiseEffect
from ...policies.reward.reward import Quality, Reward, RewardConfig
from ...policies.tuning.contract import TuneConfig
from ...policies.tuning.raft import RaftConfig
from ...policies.tuning.rivals import Algorithm
from ...policies.writer.adapters import AdapterConfig
from ...policies.writer.warm_start import WarmStartConfig
from ...policies.writer.writer import BUILT_IN, Writer, WriterConfig, make_writer
from ...simulation.data.catalog import ADS_SCHEMA, CATALOG_SCHEMA, EVERYONE, Catalog, Creative, Product
from ...simulation.data.columns import ColumnNames, parse_columns, refuse_unknown
from ...simulation.data.errors import InputError
from ...simulation.data.log_format import LOG_SCHEMA
from ...simulation.data.logs import Counts, count_log, count_uniform, read_log
from ...simulation.scenario import Scenario
from ...simulation.visitors.audience import Audience, generate_audience
from ...simulation.visitors.segments import (
    Method,
    Number,
    Segments,
    audience_behaviour,
    describe,
    find_segments,
    log_behaviour,
    with_segments,
)
from ...simulation.world import World, make_world
from ...simulation.world_file import is_world_file, open_world, scenario_of
from ..harness.options import CommonOptions
from ..harness.run import Run


@dataclass(frozen=True)
class StudyOptions(CommonOptions):
    """What is written for, who answers, and how much is logged before anything is learned."""

    scenario: str = "shop"
    """A built-in world, the path of one's own YAML file, or a world fitted by `copybandit calibrate`."""
    catalog: Path | None = None
    """Products to write for (CSV or Parquet), instead of the scenario's."""
    ads: Path | None = None
    """Reference ads of that catalog: a table with product_id and text."""
    logs: Path | None = None
    """Logged impressions: the effect model learns from them instead of from the simulated users."""
    columns: ColumnNames = ""
    """Columns of these files that have other names there: text=Headline,clicked=Clicks."""
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
    validation_impressions: int = 2_000_000
    """More such impressions, for the model that validates the writer along the run. Of your own logs it is a fifth."""
    model: str = BUILT_IN
    """built-in (a small GPT-2 made for the catalog), or any Hugging Face causal LM by name or path."""
    queries_per_product: int = 6
    """Where visitors bring queries, the writer answers so many of a product's category, in turns."""
    algorithm: Algorithm = "raft"
    """raft, ppo, rloo and grpo tune the writer. best-of-n and supervised leave it as the warm start made it; with
    best-of-n the reward picks among 16 texts for each that is kept.
    """
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    samples: int = 2
    """Texts a prompt that the verdict is given on."""
    choose: int = 8
    """Texts written after any tuning for each that is kept; the reward picks among them and all that it scored while
    tuning. With 1 the writer's texts are taken as they come."""
    keep_diversity: float = 0.95
    """Share of the untuned writer's Vendi score, by the reward's encoder, that what is picked should have: novelty
    weighs more until it has."""
    watch_every: int = 8
    """Updates between two looks at the writer: by the validation model, and for the report by the gold."""
    patience: int = 5
    """Looks without a better validation after which tuning ends. The best of all looks is kept in any case."""
    save_every: int = 8
    """Updates between two saved states, from which `--resume` goes on."""
    resume: Path | None = None
    """Directory of a broken-off run: it goes on from its last saved state, with the options it began with."""
    conversion_value: float = 10.0
    """Worth of a conversion in clicks, wherever one figure is wanted."""
    writer: WriterConfig = field(default_factory=WriterConfig)
    warm_start: WarmStartConfig = field(default_factory=WarmStartConfig)
    effect: EffectConfig = field(default_factory=EffectConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    raft: RaftConfig = field(default_factory=RaftConfig)
    ppo: TuneConfig = field(default_factory=TuneConfig)
    """Of ppo, rloo and grpo."""

    @property
    def tuning(self) -> RaftConfig | TuneConfig:
        """Settings of the algorithm."""
        return self.raft if self.algorithm == "raft" else self.ppo

    def __post_init__(self) -> None:
        if self.adapter.kind != "none" and self.algorithm not in ("ppo", "best-of-n", "supervised"):
            raise InputError(f"--adapter.kind {self.adapter.kind} goes with --algorithm ppo, not {self.algorithm}")
        least = {"users": 1, "log_impressions": 1000, "validation_impressions": 1000, "samples": 1, "watch_every": 1}
        least |= {"patience": 1, "save_every": 1, "choose": 1, "conversion_value": 0}
        least["queries_per_product"] = 1
        for name, low in least.items():
            if getattr(self, name) < low:
                raise InputError(f"--{name.replace('_', '-')} {getattr(self, name)}: give {low} or more")
        if not 0 <= self.keep_diversity <= 2:
            raise InputError(f"--keep-diversity {self.keep_diversity}: give 0 to 2; 1 is the untuned writer's")
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
    validation: EffectModel | PairwiseEffect
    """What stops tuning and chooses among checkpoints: learned from feedback that nothing else has seen."""
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


def shop_study(options: StudyOptions, run: Run, hours: float | None = None) -> Study:
    """A catalog's study: the effect model learns from what is logged in the world, or from the user's own log.

    Args:
        options: sizes and files.
        run: where all goes.
        hours: in which what is learned from is logged in the world; by default what its visits take.

    Raises:
        InputError: an option or a file is no good.
    """
    scenario, catalog = scenario_of(options.scenario)
    if is_world_file(options.scenario) and (options.catalog or options.logs or options.segments):
        raise InputError(f"--scenario {options.scenario}: has catalog, log and segments of its own; leave out others")
    columns = _columns(options)
    if options.catalog is not None:
        catalog = Catalog.read(options.catalog, options.ads, columns).with_phrases(
            catalog.phrases, scenario.phrases_per_product
        )
    elif options.ads is not None:
        raise InputError("--ads goes with --catalog; give both")
    table = None
    if options.logs is not None:
        table = read_log(options.logs, catalog, without=NOT_NEEDED, channels=scenario.channels, columns=columns)
    if table is not None:
        logged = table.drop_duplicates(["product_id", "text"])
        texts = [Creative(p, t) for p, t in zip(logged.product_id, logged.text, strict=True)]
        catalog = catalog.with_ads(list(dict.fromkeys([*catalog.ads, *texts])))
    device = options.torch_device()
    writer = make_writer(catalog, options.writer, model=options.model, seed=options.seed, device=device)
    if is_world_file(options.scenario):
        world = open_world(options.scenario, seed=options.seed, device=device)
        behaviour = audience_behaviour(world.audience, catalog.categories)
        divided = describe(behaviour, world.audience.segment.cpu().numpy(), world.audience.segments)
    else:
        people, divided = _audience(scenario, catalog, options)
        world = make_world(scenario, catalog, seed=options.seed, device=device, audience=people)
    if table is None:
        train, test, held = simulated_log(world, catalog.ads, options, run, options.seed + 5, hours)
        audiences = world.audience.segments
    else:
        tenth = pd.factorize(table.impression_id)[0] % 10
        table, divided = _log_segments(table, pd.Series(tenth <= 2, table.index), catalog, options)
        train, test, held = (count_log(table[part]) for part in (tenth > 2, tenth == 0, (tenth == 1) | (tenth == 2)))
        audiences = train.segments
    effect, metrics, validation = learn_effects(catalog, train, test, held, options, run)
    divided.profile.to_csv(run.path / "segments.csv", index=False)
    asked = prompts(catalog, audiences, options.queries_per_product)
    notes = () if options.logs is None else (OWN_LOGS,)
    return Study(world, catalog, writer, asked, effect, metrics, validation, notes=notes)


def _columns(options: StudyOptions) -> dict[str, str]:
    """Other names of columns in the catalog, its ads and the log."""
    columns = parse_columns(options.columns)
    if columns and options.catalog is None and options.logs is None:
        raise InputError("--columns goes with --catalog, --logs or --archive; give one of them")
    known = CATALOG_SCHEMA.columns | ADS_SCHEMA.columns | LOG_SCHEMA.columns
    refuse_unknown(columns, list(known), user_columns=True)
    return columns


def learn_effects(
    catalog: Catalog, train: Counts, test: Counts, held: Counts, options: StudyOptions, run: Run
) -> tuple[EffectModel, dict[str, dict[str, float]], EffectModel]:
    """The effect model, its figures on a log that it has not seen, and the model that validates the writer."""
    with run.stage("effect model", total=len(MEMBERS)) as stage:
        effect = fit_effect_model(train, catalog, options.effect, seed=options.seed, progress=stage.advance)
        metrics = effect_metrics(effect, test)
        stage.advance(0, f"click AUC {metrics['click'].get('auc', float('nan')):.3f}")
    with run.stage("validation model", total=len(VALIDATORS)) as stage:
        validation = fit_effect_model(
            held, catalog, options.effect, members=VALIDATORS, seed=options.seed + 50, progress=stage.advance
        )
    return effect, metrics, validation


NOT_NEEDED = ("timestamp", "creative_id", "propensity")
"""Columns of a log that the effect model can do without."""

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


def simulated_log(
    world: World, shown: Sequence[Creative], options: StudyOptions, run: Run, seed: int, hours: float | None = None
) -> tuple[Counts, Counts, Counts]:
    """What the effect model learns from, is measured on, and is validated by: three logs of the same creatives.

    Args:
        world: it moves on.
        shown: creatives, placed uniformly at random.
        options: sizes.
        run: shows progress.
        seed: draws the slates.
        hours: that each of the three spans, all from now on. By default one comes after the other, at the world's own
            pace.
    """
    generator = torch.Generator(world.device).manual_seed(seed)
    tenth = options.log_impressions // 10
    sizes = (options.log_impressions - tenth, tenth, options.validation_impressions)
    with run.stage("log of reference ads", total=sum(sizes)) as stage:
        start, logs = world.traffic.hours, []
        for turn, n in enumerate(sizes):
            if hours is None:
                logs.append(count_uniform(world, shown, n, generator, stage.advance))
                continue
            world.reset(seed + turn, start)
            with world.traffic.at_pace(n / hours):
                logs.append(count_uniform(world, shown, n, generator, stage.advance))
        clicks = sum(int(log.clicks.sum()) for log in logs[:2])
        conversions = sum(int(log.conversions.sum()) for log in logs[:2])
        stage.advance(0, f"{clicks:,} clicks, {conversions:,} conversions to learn from")
    return logs[0], logs[1], logs[2]


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


def write_for(writer: Writer, prompts: Sequence[tuple[Product, str]], n: int, seed: int) -> list[Creative]:
    """n texts for every prompt."""
    products, audiences = zip(*prompts, strict=True)
    return writer.write(products, audiences, n, generator=torch.Generator().manual_seed(seed))


def sample_prompts(asked: Sequence[tuple[Product, str]], most: int, seed: int) -> list[tuple[Product, str]]:
    """At most `most` prompts, drawn without replacement."""
    order = torch.randperm(len(asked), generator=torch.Generator().manual_seed(seed))
    return [asked[i] for i in order[:most].tolist()]
