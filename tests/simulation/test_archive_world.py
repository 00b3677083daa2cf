"""The gold of an archive, on an archive made here: one word pays, one costs, the rest say nothing."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.simulation.archive.contrasts import agreement
from copybandit.simulation.archive.gold import NEWS, archive_world
from copybandit.simulation.archive.tests import Archive
from copybandit.simulation.archive.text_process import fit_text_process
from copybandit.simulation.data.catalog import Catalog, Creative
from copybandit.simulation.scenario import read_scenario
from copybandit.simulation.world import World

FILLERS = ["river", "garden", "mayor", "bridge", "window", "market", "summer", "letter", "engine", "forest"]


def make_archive(tests: int = 150, seed: int = 0, effect: float = 0.5) -> Archive:
    """Four texts a test; 'secret' raises the log-odds by `effect`, 'report' lowers it by as much."""
    rng = np.random.default_rng(seed)
    rows = []
    for test in range(tests):
        level, place = rng.normal(-3.5, 0.4), f"{rng.choice(FILLERS)} {test}"
        for _ in range(4):
            word = rng.choice(["secret", "report", "story"])
            logit = level + effect * ((word == "secret") - (word == "report")) + rng.normal(0, 0.1)
            text = f"The {word} of the {rng.choice(FILLERS)} and the {rng.choice(FILLERS)}"
            shown = 4000
            rows.append(
                (f"t{test}", test, text, f"About {place}.", shown, rng.binomial(shown, 1 / (1 + np.exp(-logit))))
            )
    frame = pd.DataFrame(rows, columns=["test_id", "group", "text", "about", "impressions", "clicks"])
    return Archive(frame.drop_duplicates(["group", "text"], ignore_index=True).assign(story=lambda table: table.group))


@pytest.fixture(scope="module")
def archive() -> Archive:
    return make_archive()


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    other = make_archive(tests=20, seed=1)
    return Catalog(other.products(), other.creatives())


@pytest.fixture(scope="module")
def world(archive: Archive, catalog: Catalog) -> World:
    return archive_world(archive, catalog, seed=0, users=50)


@pytest.fixture
def write(catalog: Catalog) -> Callable[..., list[Creative]]:
    return lambda *texts: [Creative(catalog.products[0].product_id, text) for text in texts]


def test_the_process_is_calibrated_on_tests_it_has_not_seen(archive):
    process = fit_text_process(archive.contrasts)
    assert process.unseen.slope == pytest.approx(1.0, abs=0.15)
    assert process.unseen.explained > 0.6
    fresh = make_archive(seed=5).contrasts
    found = agreement(fresh, process.predict(fresh.text.tolist()))
    assert found.slope == pytest.approx(1.0, abs=0.25)


def test_the_process_finds_the_effect_and_says_how_sure_it_is(archive):
    process = fit_text_process(archive.contrasts)
    secret, report = (["The " + word + " of the river and the mayor"] for word in ("secret", "report"))
    mean, deviation = process.difference(secret, report)
    assert mean == pytest.approx(1.0, abs=0.3)
    assert mean == pytest.approx(float(np.subtract(*process.predict([*secret, *report]))))
    assert abs(mean - 1.0) < 4 * deviation < 1.0
    assert process.difference(secret, secret) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_without_an_effect_nothing_is_promised():
    process = fit_text_process(make_archive(effect=0.0).contrasts)
    assert np.std(process.predict(make_archive(seed=2).arms.text.tolist())) < 0.08


def test_a_text_unlike_all_that_was_tested_is_average(archive):
    process = fit_text_process(archive.contrasts)
    texts = archive.arms.text.tolist()
    known = process.predict(texts)
    (strange,) = process.predict(["Xyzzy qwfp zxcv"])
    assert abs(strange - known.mean()) < known.std()


def test_clicks_keep_the_scale_they_were_measured_on(world, write):
    texts = write("The secret of the river and the mayor", "The report of the river and the mayor")
    measured = world.reader.explain(texts).measured
    click = torch.logit(world.gold(texts).click)
    assert world.scales.text_click == 1.0
    assert (click[:, 0] - click[:, 1]).numpy() == pytest.approx(measured[0] - measured[1], abs=1e-4)


def test_rates_are_the_archives_own(world, archive):
    ctr = archive.arms.clicks.sum() / archive.arms.impressions.sum()
    impressions = world.visitors(4000)
    index = world.publish(world.catalog.ads)
    slates = index[torch.randint(len(index), (4000, world.slots), generator=torch.Generator().manual_seed(1))]
    assert float(world.expected(impressions, slates).ctr.mean()) == pytest.approx(ctr, rel=0.05)


@pytest.mark.parametrize(
    "flawed",
    [
        "secret secret secret secret secret secret",
        "of the the secret and mayor river The the",
        "THE SECRET OF THE RIVER AND THE MAYOR",
        "The secret of the river and the mayor!!!!!!",
        "Teh sxcret vf thq rvxer wnd zhe mzyor",
        "The secret of the river and the mayor " * 8,
        "",
    ],
)
def test_garbage_costs_clicks(world, write, flawed):
    plain = "The secret of the river and the mayor"
    click = world.gold(write(plain, flawed)).click.mean(0)
    assert click[1] < 0.8 * click[0]


def test_texts_like_the_real_ones_are_free_of_flaws(world, catalog):
    flaws = world.reader.explain(catalog.ads).flaws
    assert flaws.mean() < 0.05


def test_overclaiming_costs_sign_ups_and_saying_of_what_wins_them(world, catalog, write):
    story = catalog.products[0].title.removeprefix("About ").removesuffix(".").split()[-1]
    texts = write(
        "The secret of the river", "The amazing unbelievable secret of the river", f"The secret of river {story}"
    )
    convert = world.gold(texts).convert.mean(0)
    assert convert[1] < convert[0] < convert[2]


def test_the_same_seed_gives_the_same_world(archive, catalog):
    first, second = (archive_world(archive, catalog, seed=3, users=20) for _ in range(2))
    assert torch.equal(first.gold(catalog.ads).click, second.gold(catalog.ads).click)


def test_the_scenario_leaves_clicks_to_the_archive():
    assert read_scenario(NEWS).text_effect is None
