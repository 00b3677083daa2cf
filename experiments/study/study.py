"""What a run is about: the gold world, the prompts, and the effect model learned from logged feedback."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch

from ...policies.base.start import BASE, first_writer
from ...policies.effect.metrics import binomial_metrics
from ...policies.effect.model import CLICK, CONVERT, MEMBERS, VALIDATORS, EffectModel, fit_effect_model
from ...policies.headlines.pairwise import PairwiseEffect
from ...policies.reward.claims import Claims
from ...policies.reward.fluency import FEW, Fluency
from ...policies.reward.reward import Quality, Reward, RewardConfig
from ...policies.writer.warm_start import split_ads
from ...policies.writer.writer import BUILT_IN, Writer
from ...simulation.data.catalog import ADS_SCHEMA, CATALOG_SCHEMA, EVERYONE, Catalog, Creative, Product
from ...simulation.data.columns import ColumnNames, parse_columns, refuse_unknown
from ...simulation.data.errors import InputError
from ...simulation.data.log_format import LOG_SCHEMA
from ...simulation.data.logs import Counts, count_log, count_uniform, read_log
from ...simulation.scenario import Scenario
from ...simulation.visitors.audience import Audience, generate_audience
from ...simulation.visitors.segments import (
    Segments,
    audience_behaviour,
    describe,
    find_segments,
    log_behaviour,
    with_segments,
)
from ...simulation.world import World, make_world
from ...simulation.world_file import is_world_file, open_world, scenario_of
from ..harness.files import write_table
from ..harness.options import Common, Idle, refuse_below, torch_device
from ..harness.run import Run

if TYPE_CHECKING:
    from .parts import StudyParts


@dataclass(frozen=True)
class DataOptions:
    """What you bring."""

    catalog: Common[Path | None] = None
    """Products to write for (CSV or Parquet), instead of the scenario's."""
    ads: Common[Path | None] = None
    """Reference ads of that catalog: a table with product_id and text."""
    logs: Common[Path | None] = None
    """Logged impressions: the effect model learns from them instead of from the simulated users."""
    columns: Common[ColumnNames] = ""
    """Columns of these files that have other names there: text=Headline,clicked=Clicks."""
    archive: Common[Path | None] = None
    """Real A/B tests (the Upworthy archive, or test_id, text, impressions, clicks) instead of a catalog; sets other
    defaults (recipes/archive.yaml)."""

    def __post_init__(self) -> None:
        if self.archive is not None and any((self.catalog, self.ads, self.logs)):
            raise InputError("--archive stands alone; leave out --catalog, --ads and --logs")
        if self.ads is not None and self.catalog is None:
            raise InputError("--ads goes with --catalog; give both")

    def idle(self) -> Idle:
        """Real tests and real logs take the place of what is simulated."""
        if all(file is None for file in (self.catalog, self.logs, self.archive)):
            return {"columns": "without a file: give --catalog, --logs or --archive"}
        tests = "with --archive, whose tests are learned from"
        if self.archive is not None:
            own = ("scenario", "segments", "segments-by", "log-impressions", "validation-impressions", "effect")
            return dict.fromkeys(own, tests)
        logged = "with --logs, which are learned from"
        return dict.fromkeys(("log-impressions", "validation-impressions"), logged) if self.logs is not None else {}


@dataclass(frozen=True)
class FeedbackOptions:
    """What is logged in the world before anything is learned."""

    log_impressions: Common[int] = 6_000_000
    """Impressions of the reference ads, placed at random, that the effect model learns from."""

    def __post_init__(self) -> None:
        refuse_below(self, log_impressions=1000)


@dataclass(frozen=True)
class WritingOptions:
    """Who writes, and how much."""

    model: Common[str] = BASE
    """base (a small GPT-2 that comes along and writes English), built-in (a smaller one that learns from the catalog
    alone, in any language), or any Hugging Face causal LM by name or path."""
    queries_per_product: int = 6
    """Where visitors bring queries, the writer answers so many of a product's category, in turns."""
    samples: Common[int] = 2
    """Texts a prompt that the verdict is given on."""

    def __post_init__(self) -> None:
        refuse_below(self, samples=1, queries_per_product=1)

    def idle(self) -> Idle:
        """A model that is brought has its own size."""
        sizes = ("writer.layers", "writer.width", "writer.heads", "writer.vocabulary")
        return {} if self.model == BUILT_IN else dict.fromkeys(sizes, f"with --model {self.model}, which has its own")


def idle_in_study(options: "StudyParts") -> Idle:
    """What parts of a study mean for each other."""
    found = {}
    if not queried(options):
        found["queries-per-product"] = "where no visitor brings queries"
    if not options.segmenting.segments and options.data.logs is None:
        found["segments-by"] = "without --segments"
    return found


def queried(options: "StudyParts") -> bool:
    """Whether visitors bring queries: products that you bring have none."""
    own = options.data.catalog is not None or options.data.archive is not None
    return not own and options.world.brings_queries


HUMAN = 600
"""Of the catalog's ads, so many say what reads well."""


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
    validation: EffectModel | PairwiseEffect | None
    """What stops tuning and chooses among checkpoints, where something does: learned from feedback that nothing else
    has seen."""
    names_products: bool = True
    """Whether an ad has to name its product; headlines do not name their story."""
    gold_doubt: Callable[[Sequence[Creative], Sequence[Creative]], float] | None = None
    """Where the gold is itself an estimate: how unsure it is (standard deviation of the log) of the click lift of some
    texts over others. Its readers do not differ in what they make of a text, so intervals are over products then.
    """
    notes: tuple[str, ...] = ()
    """What a reader of the figures must know."""

    def __post_init__(self) -> None:
        for catalog in (self.catalog, self.world.catalog):
            catalog.product_indices(Creative(product.product_id, "", audience) for product, audience in self.asked)

    @property
    def audiences(self) -> tuple[str, ...]:
        """Audiences that prompts name."""
        return tuple(dict.fromkeys(audience for _, audience in self.asked))

    def reward(self, config: RewardConfig) -> Reward:
        """The writer's reward, which reads as the writer does now; freeze it on the untuned writer."""
        limit, truthful = self.writer.config.max_characters, self.names_products and config.claims == "strict"
        known, away = split_ads(self.catalog, list(filter(self.fit_to_say(config), self.catalog.ads)))
        human = (away if len(away) >= FEW else known)[:HUMAN]
        fluency = Fluency.of(self.writer, self.catalog, human, config.fluency) if config.fluency else None
        quality = Quality.of(self.catalog, naming=self.names_products, limit=limit, truthful=truthful, fluency=fluency)
        return Reward(self.effect, quality, config)

    def claims(self, config: RewardConfig) -> Claims | None:
        """What finds claims that no field supports; None where they are not looked at, or texts are of no product."""
        return Claims(self.catalog) if self.names_products and config.claims != "off" else None

    def fit_to_say(self, config: RewardConfig) -> Callable[[Creative], bool]:
        """Which ads the writer may learn from: under `strict`, those that claim nothing that no field supports."""
        claims = self.claims(config) if config.claims == "strict" else None
        return lambda creative: claims is None or not claims.unsupported(creative)


def shop_study(options: "StudyParts", run: Run, hours: float | None = None, validation: int = 0) -> Study:
    """A catalog's study: the effect model learns from what is logged in the world, or from the user's own log.

    Args:
        options: sizes and files.
        run: where all goes.
        hours: in which what is learned from is logged in the world; by default what its visits take.
        validation: impressions that the model that validates the writer learns from; with 0 there is none.

    Raises:
        InputError: an option or a file is no good.
    """
    name, data = options.world.scenario, options.data
    scenario, catalog = scenario_of(name)
    if is_world_file(name) and (data.catalog or data.logs or options.segmenting.segments):
        raise InputError(f"--scenario {name}: has catalog, log and segments of its own; leave out others")
    columns = parse_columns(data.columns)
    refuse_unknown(columns, READ, user_columns=True)
    if data.catalog is not None:
        own = Catalog.read(data.catalog, data.ads, columns)
        catalog = own.with_phrases(catalog.phrases, scenario.phrases_per_product)
    table = None
    if data.logs is not None:
        table = read_log(data.logs, catalog, without=NOT_NEEDED, channels=scenario.channels, columns=columns)
    if table is not None:
        logged = table.drop_duplicates(["product_id", "text"])
        texts = [Creative(p, t) for p, t in zip(logged.product_id, logged.text, strict=True)]
        catalog = catalog.with_ads(list(dict.fromkeys([*catalog.ads, *texts])))
    device, seed = torch_device(options.device), options.run.seed
    writer, note = first_writer(catalog, options.writer, model=options.writing.model, seed=seed, device=device)
    if is_world_file(name):
        world = open_world(name, seed=seed, device=device)
        behaviour = audience_behaviour(world.audience, catalog.categories)
        divided = describe(behaviour, world.audience.segment.cpu().numpy(), world.audience.segments)
    else:
        people, divided = _audience(scenario, catalog, options)
        world = make_world(scenario, catalog, seed=seed, device=device, audience=people)
    if table is None:
        train, test, held = simulated_log(world, catalog.ads, options, run, seed + 5, hours, validation)
        audiences = world.audience.segments
    else:
        tenth = pd.factorize(table.impression_id)[0] % 10
        table, divided = _log_segments(table, pd.Series(tenth <= 2, table.index), catalog, options)
        train, test, held = (count_log(table[part]) for part in (tenth > 2, tenth == 0, (tenth == 1) | (tenth == 2)))
        audiences = train.segments
    effect, metrics, validating = learn_effects(catalog, train, test, held if validation else None, options, run)
    write_table(run.path / "segments.csv", divided.profile)
    asked = prompts(catalog, audiences, options.writing.queries_per_product)
    notes = tuple(filter(None, (note, "" if data.logs is None else OWN_LOGS)))
    return Study(world, catalog, writer, asked, effect, metrics, validating, notes=notes)


def learn_effects(
    catalog: Catalog, train: Counts, test: Counts, held: Counts | None, options: "StudyParts", run: Run
) -> tuple[EffectModel, dict[str, dict[str, float]], EffectModel | None]:
    """The effect model, its figures on a log that it has not seen, and the model that validates the writer."""
    seed, device = options.run.seed, torch_device(options.device)
    with run.stage("effect model", total=len(MEMBERS)) as stage:
        effect = fit_effect_model(train, catalog, options.effect, seed=seed, device=device, progress=stage.advance)
        metrics = effect_metrics(effect, test)
        stage.advance(0, f"click AUC {metrics['click'].get('auc', float('nan')):.3f}")
    if held is None:
        return effect, metrics, None
    with run.stage("validation model", total=len(VALIDATORS)) as stage:
        validation = fit_effect_model(
            held,
            catalog,
            options.effect,
            members=VALIDATORS,
            seed=seed + 50,
            device=device,
            progress=stage.advance,
        )
    return effect, metrics, validation


READ = tuple(CATALOG_SCHEMA.columns | ADS_SCHEMA.columns | LOG_SCHEMA.columns)
"""Columns of a catalog, its ads and a log."""
NOT_NEEDED = ("timestamp", "creative_id", "propensity")
"""Columns of a log that the effect model can do without."""

OWN_LOGS = (
    "The effect model was learned from your log; the gold that judges is the scenario's world, which was not fitted to "
    "it: read its lift as a rehearsal."
)


def _audience(scenario: Scenario, catalog: Catalog, options: "StudyParts") -> tuple[Audience, Segments]:
    """The world's users, of the segments that are declared, or of those found in what was seen of them."""
    asked, generator = options.segmenting, torch.Generator().manual_seed(options.run.seed)
    people = generate_audience(scenario, catalog.categories, options.world.users, generator)
    behaviour = audience_behaviour(people, catalog.categories)
    if not asked.segments:
        return people, describe(behaviour, people.segment.numpy(), people.segments)
    found = find_segments(behaviour, asked.segments, asked.segments_by, options.run.seed)
    return with_segments(people, found), found


def _log_segments(
    table: pd.DataFrame, held_out: pd.Series, catalog: Catalog, options: "StudyParts"
) -> tuple[pd.DataFrame, Segments]:
    """The log with a `user_segment`, found in what is not held out; users seen nowhere else are everyone."""
    behaviour = log_behaviour(table[~held_out], catalog)
    users, asked = behaviour.values.index, options.segmenting
    if "user_segment" in table and not asked.segments:
        declared, names = pd.factorize(table[~held_out].groupby("user_id").user_segment.first().reindex(users))
        return table, describe(behaviour, declared, list(names))
    found = find_segments(behaviour, asked.segments or "auto", asked.segments_by, options.run.seed)
    named = pd.Series([found.names[i] for i in found.label], index=users)
    return table.assign(user_segment=table.user_id.map(named).fillna(EVERYONE)), found


def simulated_log(
    world: World,
    shown: Sequence[Creative],
    options: "StudyParts",
    run: Run,
    seed: int,
    hours: float | None = None,
    validation: int = 0,
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
        validation: impressions of the third.
    """
    generator = torch.Generator(world.device).manual_seed(seed)
    tenth = options.feedback.log_impressions // 10
    sizes = (options.feedback.log_impressions - tenth, tenth, validation)
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
