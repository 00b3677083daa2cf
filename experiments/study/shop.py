"""A catalog's study: what people bring, or what is logged in the world, teaches the effect model."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ...policies.base.start import first_writer
from ...policies.effect.accountant import Budget
from ...policies.effect.contract import CLICK, CONVERT
from ...policies.effect.metrics import binomial_metrics
from ...policies.effect.model import MEMBERS, VALIDATORS, EffectModel, fit_effect_model
from ...policies.writer.reading import FrozenReader
from ...policies.writer.writer import Writer
from ...simulation.data.catalog import ADS_SCHEMA, CATALOG_SCHEMA, EVERYONE, Catalog, Creative
from ...simulation.data.columns import parse_columns, read_here, refuse_unmet
from ...simulation.data.errors import InputError
from ...simulation.data.log_format import LOG_SCHEMA, read_log
from ...simulation.data.log_sample import sampled_log
from ...simulation.data.personal import refuse_named_users
from ...simulation.logs import Counts, count_log, count_uniform
from ...simulation.pictures.sight import seeing_reader
from ...simulation.scenario import Scenario
from ...simulation.user_log import UserLog, log_users_uniform
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
from ...simulation.world_file import is_world_file, open_world, scenario_of, world_notes
from ..harness.files import write_table
from ..harness.options import torch_device
from ..harness.run import Run
from .options import DataOptions, StudyOptions
from .pictures import Pictures, beside_pictures, with_pictures
from .private import learn_privately, user_logs_of
from .study import Study, prompts, sample_prompts, write_for

Log: TypeAlias = Counts | UserLog
"""Summed, or by user."""


def shop_study(
    options: StudyOptions,
    run: Run,
    hours: float | None = None,
    validation: int = 0,
    budget: Budget | None = None,
) -> Study:
    """A catalog's study: the effect model learns from what is logged in the world, or from the user's own log.

    See `make_study` for what is given and raised.
    """
    name, data = options.world.scenario, options.data
    if is_world_file(name) and (data.catalog or data.logs or options.segmenting.segments):
        raise InputError(
            f"--scenario {name}: has the products, ads, log and segments that it was fitted to; leave out --catalog, "
            "--ads, --logs, --columns and --segments"
        )
    scenario, catalog, table, left_out = brought(name, data, options.run.seed)
    catalog, pictures = with_pictures(catalog, options, run)
    device, seed = torch_device(options.device), options.run.seed
    writer, told = first_writer(catalog, options.writer, model=options.writing.model, seed=seed, device=device)
    if is_world_file(name):
        world = open_world(name, seed=seed, device=device)
        behaviour = audience_behaviour(world.audience, catalog.categories)
        divided = describe(behaviour, world.audience.segment.cpu().numpy(), world.audience.segments)
    else:
        people, divided = _audience(scenario, catalog, options)
        eyes = None if pictures is None else seeing_reader(scenario, catalog, pictures.gallery, seed)
        world = make_world(scenario, catalog, seed=seed, device=device, audience=people, reader=eyes)
    pilot: list[Creative] = []
    if table is None:
        audiences = world.audience.segments
        pilot = _pilot(writer, catalog, audiences, options, run)
        shown = beside_pictures(catalog, [*catalog.ads, *pilot], seed + 25)
        if budget is None:
            logs = simulated_log(world, shown, options, run, seed + 5, hours, validation)
        else:
            logs = simulated_log(world, shown, options, run, seed + 5, hours, validation, log_users_uniform)
    elif budget is not None:
        divided, logs = None, user_logs_of(table, catalog)
        audiences = logs[0].segments
    else:
        tenth = pd.factorize(table.impression_id)[0] % 10
        table, divided, learned = _log_segments(table, tenth, catalog, options)
        logs = tuple(count_log(table[part]) for part in (learned, tenth == 0, (tenth == 1) | (tenth == 2)))
        audiences = logs[0].segments
    reader = FrozenReader(writer, catalog) if writer.has_placeholders else None
    train, test, held = logs
    effect, metrics, validating = learn_effects(
        catalog, train, test, held if validation else None, options, run, reader, pictures, budget
    )
    if divided is not None:
        write_table(run.path / "segments.csv", divided.profile)
    asked = prompts(catalog, audiences, options.writing.queries_per_product)
    own = (OWN_LOGS, left_out) if data.logs is not None else ()
    notes = (*(note for note in (told, *own) if note), *world_notes(name))
    return Study(
        world,
        catalog,
        writer,
        asked,
        effect,
        metrics,
        validating,
        reader=reader,
        pilot=len(pilot),
        pictures=pictures,
        publishing=options.publishing,
        notes=notes,
        budget=budget,
    )


class Brought(NamedTuple):
    """What a study is made of."""

    scenario: Scenario
    catalog: Catalog
    """The products that take part, with all the texts that are learned from as their ads."""
    log: pd.DataFrame | None
    """Their rows."""
    left_out: str
    """In words, what of a folder of a log did not fit into memory."""


def brought(name: str, data: DataOptions, seed: int) -> Brought:
    """The scenario, and what people bring.

    Args:
        name: of the scenario.
        data: files.
        seed: draws the products, where some are to take part, and users of a log that does not fit into memory.

    Raises:
        InputError: one of the files is no good.
    """
    scenario, catalog = scenario_of(name)
    columns = read_here(parse_columns(data.columns), _tables(data), user_columns=data.logs is not None)
    known = catalog if data.catalog is None else Catalog.read(data.catalog, data.ads, columns)
    table, left_out = None, ""
    if data.logs is not None:
        how = {"without": NOT_NEEDED, "channels": scenario.channels, "columns": columns}
        if data.logs.is_dir():
            table, lacking = sampled_log(data.logs, known, seed=seed, **how)
            left_out = f"The effect model learned from a part of your log: {lacking}." if lacking else ""
        else:
            table = read_log(data.logs, known, **how)
        refuse_named_users(table, str(data.logs))
    refuse_unmet(columns, data.catalog, data.ads, data.logs)
    # Products are drawn before texts are made for them: of a large catalog a few take part.
    some = known if data.products is None else known.some(data.products, seed)
    if data.catalog is not None:
        some = some.with_phrases(catalog.phrases, scenario.phrases_per_product)
    if table is not None:
        logged = table.drop_duplicates([name for name in ("product_id", "text", "image_id") if name in table])
        images = known.checked_images(logged, "image_id", str(data.logs))
        rows = zip(logged.product_id, logged.text, images, strict=True)
        texts = [Creative(product, text, image=image) for product, text, image in rows if product in some.index]
        some = some.with_ads(list(dict.fromkeys([*some.ads, *texts])))
        table = table if data.products is None else _rows_of(table, some, data)
    return Brought(scenario, some, table, left_out)


def _rows_of(table: pd.DataFrame, catalog: Catalog, data: DataOptions) -> pd.DataFrame:
    rows = table[table.product_id.isin(catalog.index)]
    if rows.empty:
        raise InputError(f"{data.logs}: no row is of one of the {len(catalog)} products drawn; give more --products")
    return rows


def _pilot(
    writer: Writer, catalog: Catalog, audiences: Sequence[str], options: StudyOptions, run: Run
) -> list[Creative]:
    """Different texts of the untuned writer that no reference ad says, spread over all prompts."""
    most = options.feedback.pilot_texts
    if not most or not writer.has_placeholders:
        return []
    asked = prompts(catalog, audiences, options.writing.queries_per_product)
    each = max(1, most // len(asked))
    drawn = sample_prompts(asked, most, options.run.seed + 15)
    with run.stage("pilot texts", total=len(drawn) * each) as stage:
        texts = write_for(writer, drawn, each, options.run.seed + 16, stage.advance)
    known = {(ad.product_id, ad.text) for ad in catalog.ads}
    return list({(c.product_id, c.text): c for c in texts if (c.product_id, c.text) not in known}.values())


def learn_effects(
    catalog: Catalog,
    train: Log,
    test: Log,
    held: Log | None,
    options: StudyOptions,
    run: Run,
    reader: FrozenReader | None,
    pictures: Pictures | None = None,
    budget: Budget | None = None,
) -> tuple[EffectModel, dict[str, dict[str, float]], EffectModel | None]:
    """The effect model, its figures on a log that it has not seen, and the model that validates the writer.

    With a budget they are learned privately, from logs by user, and no figures are taken.
    """
    if budget is not None:
        assert isinstance(train, UserLog)
        assert not isinstance(held, Counts)
        effect, validating = learn_privately(catalog, train, held, options, run, reader, pictures, budget)
        return effect, {}, validating
    assert isinstance(train, Counts)
    assert isinstance(test, Counts)
    assert not isinstance(held, UserLog)
    seed, device = options.run.seed, torch_device(options.device)
    seen = None if pictures is None else pictures.table
    fit = partial(fit_effect_model, catalog=catalog, config=options.effect, reads=reader, pictures=seen, device=device)
    with run.stage("effect model", total=len(MEMBERS)) as stage:
        if reader is not None:
            reader.keep(train.creatives)
        effect = fit(train, seed=seed, progress=stage.advance)
        metrics = effect_metrics(effect, test)
        stage.advance(0, f"click AUC {metrics['click'].get('auc', float('nan')):.3f}")
    if held is None:
        return effect, metrics, None
    with run.stage("validation model", total=len(VALIDATORS)) as stage:
        validation = fit(held, members=VALIDATORS, seed=seed + 50, progress=stage.advance)
    return effect, metrics, validation


NOT_NEEDED = ("timestamp", "creative_id", "propensity")
"""Columns of a log that the effect model can do without."""

OWN_LOGS = (
    "The effect model was learned from your log; the gold that judges is the scenario's world, which was not fitted to "
    "it: read its lift as a rehearsal."
)


def _tables(data: DataOptions) -> list[str]:
    """Columns of the tables that are given."""
    given = ((data.catalog, CATALOG_SCHEMA), (data.ads, ADS_SCHEMA), (data.logs, LOG_SCHEMA))
    return [name for file, schema in given if file is not None for name in schema.columns]


def _audience(scenario: Scenario, catalog: Catalog, options: StudyOptions) -> tuple[Audience, Segments]:
    """The world's users, of the segments that are declared, or of those found in what was seen of them."""
    asked, generator = options.segmenting, torch.Generator().manual_seed(options.run.seed)
    people = generate_audience(scenario, catalog.categories, options.world.users, generator)
    behaviour = audience_behaviour(people, catalog.categories)
    if not asked.segments:
        return people, describe(behaviour, people.segment.numpy(), people.segments)
    found = find_segments(behaviour, asked.segments, asked.segments_by, options.run.seed)
    return with_segments(people, found), found


def _log_segments(
    table: pd.DataFrame, tenth: NDArray[np.int64], catalog: Catalog, options: StudyOptions
) -> tuple[pd.DataFrame, Segments, NDArray[np.bool_]]:
    """The log with a `user_segment`, and the rows that are left to learn from.

    Segments that the log does not declare are found in what users did in three tenths of it, from which nothing else is
    learned: who is put among those who click for having clicked would click for belonging there. Users seen in no
    row of these are everyone.
    """
    asked, declared = options.segmenting, "user_segment" in table and not options.segmenting.segments
    learned = tenth > (2 if declared else 5)
    behaviour = log_behaviour(table[learned if declared else (tenth > 2) & ~learned], catalog)
    users = behaviour.values.index
    if declared:
        numbers, names = pd.factorize(table[learned].groupby("user_id").user_segment.first().reindex(users))
        return table, describe(behaviour, numbers, list(names)), learned
    found = find_segments(behaviour, asked.segments or "auto", asked.segments_by, options.run.seed)
    named = pd.Series([found.names[i] for i in found.label], index=users)
    return table.assign(user_segment=table.user_id.map(named).fillna(EVERYONE)), found, learned


def simulated_log(
    world: World,
    shown: Sequence[Creative],
    options: StudyOptions,
    run: Run,
    seed: int,
    hours: float | None = None,
    validation: int = 0,
    kept: Callable[..., Log] = count_uniform,
) -> tuple[Log, Log, Log]:
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
        kept: shows creatives and says what is kept of what came: `count_uniform`, or `log_users_uniform`.
    """
    generator = torch.Generator(world.device).manual_seed(seed)
    tenth = options.feedback.log_impressions // 10
    sizes = (options.feedback.log_impressions - tenth, tenth, validation)
    with run.stage("log of ads", total=sum(sizes)) as stage:
        start, logs = world.traffic.hours, []
        for turn, n in enumerate(sizes):
            if hours is None:
                logs.append(kept(world, shown, n, generator, stage.advance))
                continue
            world.reset(seed + turn, start)
            with world.traffic.at_pace(n / hours):
                logs.append(kept(world, shown, n, generator, stage.advance))
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
