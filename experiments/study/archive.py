"""A study of real A/B tests: real headlines and clicks teach, other tests of the same archive judge."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from math import isnan

import pandas as pd
import torch

from ...policies.base.start import first_writer
from ...policies.effect.contract import CLICK, TextEffect
from ...policies.headlines.encoder import Encoder
from ...policies.headlines.pairwise import PairwiseEffect, fit_pairwise_effect
from ...policies.headlines.stacked import fit_stacked_effect
from ...policies.writer.chat import HEADLINE
from ...simulation.archive.contrasts import agreement
from ...simulation.archive.gold import ArchiveReader, archive_world
from ...simulation.archive.tests import Archive, read_archive
from ...simulation.archive.text_process import TextProcess
from ...simulation.data.catalog import EVERYONE, Catalog, Creative
from ...simulation.data.columns import parse_columns
from ...simulation.world import World
from ..harness.options import torch_device
from ..harness.run import Run
from .options import DataOptions, StudyOptions
from .study import Study

ARCHIVE_SHARES = (0.45, 0.45, 0.10)
"""Of an archive's stories: what the writer and the effect model learn from, what the gold is fitted on, what is written
for."""


def archive_study(options: StudyOptions, run: Run, validation: int = 0) -> Study:
    """Real headlines and clicks; no story is in two of the three parts.

    See `make_study`; with `validation` above 0, a model that validates the writer learns from the tests written for.
    """
    archive = read_archive(options.data.archive or "", parse_columns(options.data.columns))
    seed = options.run.seed
    learned, judged, asked = archive.split(ARCHIVE_SHARES, seed)
    for part, what in ((learned, "is learned from"), (judged, "judges"), (asked, "is written for")):
        part.check_tells(f"the part that {what}")
    # A story that was tested twice is written for once; both tests are products, as both of their clicks are learned.
    stories = {product.title: product for product in asked.products()}
    catalog = _catalog(learned, asked)
    device = torch_device(options.device)
    writer, told = first_writer(
        catalog, options.writer, model=options.writing.model, seed=seed, device=device, request=HEADLINE
    )
    encoder = Encoder.chosen(options.data.encoder, device)
    with run.stage("gold of real clicks") as stage:
        world = archive_world(judged, catalog, seed=seed, users=options.world.users, device=device)
        gold = _process(world).unseen
        stage.advance(0, f"slope {gold.slope:.2f} on unseen tests")
    with run.stage("effect model", total=6) as stage:
        arms = _with_conversions(world, learned.contrasts, seed)
        effect = _effect(arms, encoder, seed, stage.advance)
        metrics = _archive_metrics(effect, asked)
        named = metrics["click"]["accuracy_significant"]
        stage.advance(0, "no clear winners to name" if isnan(named) else f"names {named:.1%} of clear winners")
    validating = _validating(world, asked, seed, run) if validation else None
    prompts = tuple((product, EVERYONE) for product in stories.values())
    notes = (
        "Headlines and clicks are real; conversions are not in the archive: the world made them up, so the CVR lift "
        "says nothing about real readers.",
        f"The gold was fitted on tests that nothing in training saw. On tests it had not seen either it names "
        f"{gold.accuracy:.1%} of better headlines ({gold.accuracy_significant:.1%} of significant ones) and explains "
        f"{gold.explained:.0%} of the true variance; its differences are to scale (slope {gold.slope:.2f}).",
        f"The effect model reads {f'vectors of texts by {encoder.title} and ' if encoder else ''}n-grams.",
        *(f"Of the archive, {note} were left out." for note in archive.notes),
        *filter(None, [told]),
    )
    return Study(
        world,
        catalog,
        writer,
        prompts,
        effect,
        metrics,
        validating,
        names_products=False,
        gold_doubt=_doubt(world),
        publishing=options.publishing,
        notes=notes,
    )


def learned_catalog(data: DataOptions, seed: int) -> Catalog:
    """The catalog of an archive's study alone: the headlines that are learned from are its ads."""
    archive = read_archive(data.archive or "", parse_columns(data.columns))
    learned, _, asked = archive.split(ARCHIVE_SHARES, seed)
    return _catalog(learned, asked)


def _catalog(learned: Archive, asked: Archive) -> Catalog:
    return Catalog([*learned.products(), *asked.products()], learned.creatives())


def _effect(arms: pd.DataFrame, encoder: Encoder | None, seed: int, progress: Callable[[int], None]) -> TextEffect:
    """The better of two for what there is to read: by n-grams alone the stack foretells no more, and takes longer."""
    if encoder is None:
        return fit_pairwise_effect(arms, seed=seed, progress=progress)
    return fit_stacked_effect(arms, encoder, seed=seed, progress=progress)


def _validating(world: World, asked: Archive, seed: int, run: Run) -> PairwiseEffect:
    with run.stage("validation model", total=6) as stage:
        held = _with_conversions(world, asked.contrasts, seed + 1)
        return fit_pairwise_effect(held, seed=seed + 50, progress=stage.advance)


def _doubt(world: World) -> Callable[[Sequence[Creative], Sequence[Creative]], float]:
    def doubt(tuned: Sequence[Creative], untuned: Sequence[Creative]) -> float:
        first, second = ([creative.text for creative in texts] for texts in (tuned, untuned))
        return _process(world).difference(first, second)[1]

    return doubt


def _process(world: World) -> TextProcess:
    assert isinstance(world.reader, ArchiveReader)
    assert isinstance(world.reader.process, TextProcess)
    return world.reader.process


def _with_conversions(world: World, arms: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Lets the world's readers convert after the real clicks."""
    creatives = [Creative(test, text) for test, text in zip(arms.test_id, arms.text, strict=True)]
    chance = world.gold(creatives).convert.mean(0).cpu()
    clicks = torch.tensor(arms.clicks.to_numpy(), dtype=torch.float32)
    drawn = torch.binomial(clicks, chance, generator=torch.Generator().manual_seed(seed + 5))
    return arms.assign(conversions=drawn.numpy())


def _archive_metrics(effect: TextEffect, unseen: Archive) -> dict[str, dict[str, float]]:
    arms = unseen.contrasts
    creatives = [Creative(test, text) for test, text in zip(arms.test_id, arms.text, strict=True)]
    predicted = effect.predict(creatives).text[..., CLICK].mean(0).double().numpy()
    return {"click": asdict(agreement(arms, predicted)), "convert": {}}
