"""A world fitted to an archive made here: levels and texts differ in it as they do in the archive."""

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.experiments.analysis.fit.archive_fit import spreads
from copybandit.experiments.calibrate import CalibrateOptions, run_calibrate
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.simulation.archive.contrasts import spread_moments, variance_between
from copybandit.simulation.archive.fit import calibrate_archive
from copybandit.simulation.archive.gold import NEWS
from copybandit.simulation.archive.own_effects import OwnEffects, normal_of
from copybandit.simulation.archive.tests import Archive
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.scenario import read_scenario
from copybandit.simulation.world_file import open_world, save_world

WORDS = ["river", "garden", "mayor", "bridge", "window", "market", "summer", "letter", "engine", "forest"]
OWN, LEVEL = 0.3, 0.6


def make_archive(tests: int, seed: int) -> Archive:
    """Four texts a test, whose words say nothing of their clicks."""
    rng = np.random.default_rng(seed)
    rows = []
    for test in range(tests):
        level = rng.normal(-3.5, LEVEL)
        for arm in range(4):
            rate = 1 / (1 + np.exp(-level - rng.normal(0, OWN)))
            text = f"The {rng.choice(WORDS)} of the {rng.choice(WORDS)} and {seed} {test} {arm}"
            rows.append((f"t{seed}-{test}", test, text, "", 4000, rng.binomial(4000, rate)))
    frame = pd.DataFrame(rows, columns=["test_id", "group", "text", "about", "impressions", "clicks"])
    return Archive(frame.assign(story=frame.group))


@pytest.fixture(scope="module")
def archive():
    return make_archive(150, 0)


@pytest.fixture(scope="module")
def fitted(archive):
    return calibrate_archive(archive, read_scenario(NEWS), users=60)


def test_variance_between_by_hand():
    # Effects -1 and 1 of weight 2 each: Q = 4, one degree of freedom, units 4 - 8 / 4.
    moments = spread_moments(np.array([-1.0, 1.0]), np.array([2.0, 2.0]), np.zeros(2, dtype=np.int64))
    assert moments[0].tolist() == [4.0, 1.0, 2.0]
    assert variance_between(moments[0]) == pytest.approx(1.5)


def test_own_effects_are_drawn_once_for_all():
    texts = [f"text {i}" for i in range(2000)]
    drawn = normal_of(texts, 0)
    assert np.array_equal(drawn, normal_of(texts, 0))
    assert abs(np.corrcoef(drawn, normal_of(texts, 1))[0, 1]) < 0.1
    assert (drawn.mean(), drawn.std()) == pytest.approx((0, 1), abs=0.06)
    own = OwnEffects(0.5, 0, {("p", "known"): (2.0, 0.0)})
    creatives = [Creative("p", "known"), Creative("q", "known")]
    first, second = own(creatives, lambda asked: np.full(len(asked), -1.0))
    assert first == 2.0
    assert second == pytest.approx(-1 + 0.5 * normal_of(["known"], 0)[0])


def test_the_worlds_tests_and_texts_differ_as_the_archives(archive, fitted):
    assert fitted.own.deviation == pytest.approx(OWN, rel=0.15)
    assert fitted.level_deviation == pytest.approx(LEVEL, rel=0.15)
    unseen = make_archive(150, 1)
    for tests, world in ((archive, fitted.world()), (unseen, fitted.world_of(unseen))):
        found = spreads(tests, world)
        assert found["texts"]["ratio"]["mean"] == pytest.approx(1, abs=0.15)
        assert found["tests"]["ratio"] == pytest.approx(1, abs=0.2)


def test_a_tested_text_clicks_as_in_its_test(archive, fitted):
    arms = archive.arms
    creatives = [Creative(test, text) for test, text in zip(arms.test_id, arms.text, strict=True)]
    rate = fitted.world().gold(creatives).click.mean(0).double().numpy()
    assert np.corrcoef(np.log(rate), np.log(arms.clicks / arms.impressions))[0, 1] > 0.95
    assert (rate * arms.impressions).sum() == pytest.approx(arms.clicks.sum(), rel=0.02)


def test_a_world_file_reads_texts_as_the_archives_readers(fitted, tmp_path):
    path = tmp_path / "world.safetensors"
    save_world(path, fitted.scenario, fitted.catalog, fitted.audience, fitted.scales, fitted.reader)
    again, before = open_world(str(path)), fitted.world()
    texts = [*fitted.catalog.ads[:20], Creative(fitted.catalog.products[0].product_id, "The river that nobody tested")]
    assert torch.allclose(again.gold(texts).click, before.gold(texts).click, atol=1e-6)


def test_calibrate_holds_the_archive_against_its_world(archive, tmp_path):
    path = tmp_path / "archive.csv"
    archive.arms.drop(columns="story").to_csv(path, index=False)
    run = run_calibrate(configured(CalibrateOptions(), archive=path, users=60, out=tmp_path / "run"))
    summary = read_json(run / "summary.json")
    assert summary["tests"] == 150
    assert summary["spread"]["own"]["texts"]["ratio"]["mean"] == pytest.approx(1, abs=0.1)
    assert 0.6 < summary["spread"]["held_out"]["texts"]["ratio"]["mean"] < 1.6
    assert (run / "world.safetensors").is_file()
