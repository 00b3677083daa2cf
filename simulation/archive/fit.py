"""A world fitted to an archive of A/B tests: tests of different levels, and texts that differ as those in tests do.

What a text does is in three parts: what a model of its words expects; what its own test says beyond that, shrunk to
what was expected as far as the test was small; and what nobody knows, which is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from ..data.catalog import Catalog, Creative
from ..response.rates import intercept_for_rate
from ..response.utilities import Scales
from ..scenario import Scenario
from ..visitors.audience import Audience, generate_audience
from ..world import World, make_world
from .contrasts import Agreement, Array, effects, spread_moments, variance_between
from .gold import ArchiveReader
from .own_effects import OwnEffects, normal_of
from .tests import Archive
from .text_process import TextProcess, fit_text_process


@dataclass(frozen=True)
class ArchiveCalibration:
    """What was fitted to an archive."""

    scenario: Scenario
    catalog: Catalog
    """A product a test, with its texts as reference ads."""
    reader: ArchiveReader
    audience: Audience
    scales: Scales
    unseen: Agreement
    """Of the model of words with tests that were held out of it."""
    level_deviation: float
    """Standard deviation of log-odds between tests."""
    notes: tuple[str, ...]

    @property
    def own(self) -> OwnEffects:
        """What is texts' own."""
        assert self.reader.own is not None
        return self.reader.own

    def world(self, *, seed: int = 0, device: torch.device | str = "cpu") -> World:
        """The world that clicks as the archive's readers did."""
        return make_world(
            self.scenario,
            self.catalog,
            seed=seed,
            device=device,
            reader=self.reader,
            audience=self.audience,
            scales=self.scales,
        )

    def world_of(self, other: Archive, *, seed: int = 0) -> World:
        """The same readers before the stories of other tests: what was not tested is expected, or drawn."""
        catalog = Catalog(other.products(), other.creatives())
        headlines = [ad.text for ad in self.catalog.ads]
        reader = ArchiveReader(self.reader.process, self.scenario, catalog, headlines, self.own)
        level = self.level_deviation * normal_of([f"test {name}" for name in catalog.index], self.own.seed)
        scales = replace(self.scales, product_click=torch.tensor(level, dtype=torch.float32))
        return make_world(self.scenario, catalog, seed=seed, reader=reader, audience=self.audience, scales=scales)


def calibrate_archive(
    archive: Archive,
    scenario: Scenario,
    *,
    seed: int = 0,
    users: int = 1000,
    progress: Callable[[str], None] = lambda note: None,
) -> ArchiveCalibration:
    """Fits a world to an archive.

    Args:
        archive: its tests.
        scenario: all that an archive does not say: conversions, positions, fatigue.
        seed: draws what nobody knows, and the users.
        users: size of the audience.
        progress: called with what is being done.
    """
    catalog = Catalog(archive.products(), archive.creatives())
    progress("texts")
    process = fit_text_process(archive.contrasts, seed=seed)
    own = own_effects(archive, process, seed)
    reader = ArchiveReader(process, scenario, catalog, [ad.text for ad in catalog.ads], own)
    progress("levels")
    look = float(np.mean(scenario.channels[next(iter(scenario.channels))].examination))
    ctr = float(archive.arms.clicks.sum() / archive.arms.impressions.sum())
    scenario = scenario.model_copy(update={"ctr": ctr * look, "text_effect": None})
    people = torch.Generator().manual_seed(seed)
    audience = generate_audience(scenario, catalog.categories, users, people)
    level, deviation = levels_of_tests(archive, catalog, reader, seed)
    # Conversions at the scenario's rates first; then the archive's levels.
    world = make_world(scenario, catalog, reader=reader, audience=audience)
    scales = replace(world.scales, click_base=0.0, product_click=torch.tensor(level, dtype=torch.float32))
    world.rescale(scales)
    scales = replace(scales, click_base=_base(archive, world))
    notes = (
        *archive.notes,
        "an archive has no conversions, positions, users or repeated visits: they are the scenario's",
        "of texts under different pictures only those under the same are told apart",
    )
    return ArchiveCalibration(scenario, catalog, reader, audience, scales, process.unseen, deviation, notes)


def own_effects(archive: Archive, process: TextProcess, seed: int) -> OwnEffects:
    """What texts have beyond the model of words: its spread, and for every tested text what its test says of it."""
    unseen = process.unseen
    variance = unseen.true_deviation**2 * max(1 - unseen.explained, 0.0)
    arms = archive.contrasts
    group = arms.group.to_numpy()
    found, weight = effects(arms.impressions.to_numpy(np.float64), arms.clicks.to_numpy(np.float64), group)
    expected = _expected(arms, process)
    # Texts of a group share its level, of which the test says nothing.
    trust = 1 / (variance + 1 / weight)
    beyond = found - expected
    beyond -= (np.bincount(group, trust * beyond) / np.bincount(group, trust))[group]
    table = pd.DataFrame({"expected": expected, "weight": weight, "sum": weight * beyond})
    # A text that was tested under several pictures has one effect.
    table = table.groupby([arms.test_id, arms.text]).agg({"expected": "mean", "weight": "sum", "sum": "sum"})
    spread = variance / (1 + variance * table["weight"])
    mean = table["expected"] + spread * table["sum"]
    rows = zip(table.index, mean, np.sqrt(spread), strict=True)
    tested = {(str(test), str(text)): (float(m), float(s)) for (test, text), m, s in rows}
    return OwnEffects(float(np.sqrt(variance)), seed, tested)


def _expected(arms: pd.DataFrame, process: TextProcess) -> Array:
    """[arms] log-odds by a fit that did not see them."""
    known = process.learned.groupby(["test_id", "text"]).expected.mean()
    keys = pd.MultiIndex.from_frame(arms[["test_id", "text"]])
    expected = known.reindex(keys).to_numpy(copy=True)
    rest = np.isnan(expected)
    expected[rest] = process.predict(arms.text[rest].tolist())
    return expected


def levels_of_tests(archive: Archive, catalog: Catalog, reader: ArchiveReader, seed: int) -> tuple[Array, float]:
    """[tests] log-odds of each test beyond its texts', of mean zero, and their standard deviation.

    As every test is of thousands of impressions its level is nearly known; what is not is drawn.
    """
    arms = archive.arms
    said = _readings(arms, reader)
    test = np.array([catalog.index[name] for name in arms.test_id])
    shown = np.bincount(test, arms.impressions)
    clicks = np.bincount(test, arms.clicks) + 0.5
    noise = 1 / clicks + 1 / (shown - clicks + 1)
    level = np.log(clicks / (shown - clicks + 1)) - np.bincount(test, arms.impressions * said) / shown
    weight = 1 / noise
    centred = level - (weight @ level) / weight.sum()
    moments = spread_moments(centred, weight, np.zeros(len(level), int))[0]
    between = float(np.fmax(variance_between(moments), 1e-9))
    trust = 1 / (between + noise)
    centred = level - (trust @ level) / trust.sum()
    kept = between / (between + noise)
    drawn = normal_of([f"test {name}" for name in catalog.index], seed)
    return kept * centred + np.sqrt(kept * noise) * drawn, between**0.5


def _readings(arms: pd.DataFrame, reader: ArchiveReader) -> Array:
    creatives = [Creative(test, text) for test, text in zip(arms.test_id, arms.text, strict=True)]
    return reader.read(creatives).click.numpy().astype(np.float64)


def _base(archive: Archive, world: World) -> float:
    """The intercept at which the world, shown the archive's arms as often as they were, clicks as often."""
    arms = archive.arms
    creatives = [Creative(test, text) for test, text in zip(arms.test_id, arms.text, strict=True)]
    product, reading = world.utilities.read(creatives)
    # Users are alike but for their interest in news: every tenth by interest stands for all.
    some = world.audience.interest[:, 0].argsort()[5::10]
    click = world.utilities.click(product, reading)[some].double()
    shown = torch.tensor(arms.impressions.to_numpy(np.float64))
    return intercept_for_rate(click, shown.expand_as(click), float(arms.clicks.sum() / arms.impressions.sum()))
