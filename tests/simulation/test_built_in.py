"""Every built-in scenario shows the rates that it asks for, and has the effects that it is there for."""

import functools

import pytest
import torch
from copybandit.simulation.logs import uniform_slates
from copybandit.simulation.response.rates import best_of_gain
from copybandit.simulation.scenario import BUILT_IN
from copybandit.simulation.world import World, demo_world

NAMES = sorted(path.stem for path in BUILT_IN.glob("*.yaml"))


@functools.cache
def world(name: str) -> World:
    built = demo_world(name, users=500)
    built.publish(built.catalog.ads)
    return built


@pytest.mark.parametrize("name", NAMES)
def test_the_rates_asked_for_are_shown_under_uniform_placement(name):
    """On fresh visitors, in expectation: what is left is who comes, by which channel, and which ads are drawn."""
    shop = world(name)
    shop.reset(1)
    visits = shop.traffic.sample(20_000, torch.Generator().manual_seed(1))
    everything = torch.arange(len(shop.creatives))
    rates = shop.expected(visits, uniform_slates(20_000, everything, shop.slots, torch.Generator().manual_seed(2)))
    clicks = rates.ctr.mean(1)
    sales = (rates.ctr * rates.convert).mean(1)
    # The scale is fitted on 4,000 other visits: its error comes on top of this sample's.
    error = float(clicks.std()) * (1 / 4_000 + 1 / 20_000) ** 0.5
    assert float(clicks.mean()) == pytest.approx(shop.scenario.ctr, abs=4 * error)
    assert float(sales.sum() / clicks.sum()) == pytest.approx(shop.scenario.cvr, rel=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_texts_matter_as_much_as_asked(name):
    shop = world(name)
    assert 0.05 < shop.scales.text_click < 4
    assert 0.05 < shop.scales.text_convert < 4
    shop.reset(0)
    ads = shop.catalog.ads
    product = torch.tensor(shop.catalog.product_indices(ads))
    worth = shop.gold(ads).click.mean(0)
    gain = torch.stack([best_of_gain(worth[product == p]) for p in product.unique()]).mean()
    assert gain == pytest.approx(shop.scenario.text_effect, rel=0.35)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "shop-drift"])
def test_an_archive_as_a_shop_has(name):
    catalog = world(name).catalog
    written = torch.bincount(torch.tensor(catalog.product_indices(catalog.ads)))
    assert len(catalog) >= 16
    assert len(catalog.categories) >= 4
    assert written.min() >= 11
    assert len({ad.text for ad in catalog.ads}) > 0.95 * len(catalog.ads)
    assert 3 <= len(world(name).audience.segments) <= 5


def test_support_is_asked_something_in_every_channel():
    support = world("support")
    visits = support.traffic.sample(2000, torch.Generator().manual_seed(0))
    assert (visits.query >= 0).all()
    assert len(support.catalog.queries) >= 60
    assert support.scenario.top_down


def test_travel_is_read_by_the_season():
    travel = world("travel")
    travel.reset(0)
    rest = [ad for ad in travel.catalog.ads if "nothing on the calendar" in ad.text.lower()]
    autumn = travel.gold(rest).click.mean()
    travel.traffic.hours = travel.scenario.season.period_hours / 4
    assert travel.gold(rest).click.mean() > 1.1 * autumn
    travel.reset(0)


@pytest.mark.parametrize(("name", "appeal"), [("health", "protection"), ("shop-drift", "value")])
def test_tastes_shift_at_once(name, appeal):
    """What says little else than the appeal gains when the shift comes, and not an hour before."""
    shifting = world(name)
    shifting.reset(0)
    strength = shifting.reader.read(shifting.catalog.ads).appeals[:, list(shifting.scenario.appeals).index(appeal)]
    ads = [shifting.catalog.ads[i] for i in strength.topk(10).indices.tolist()]
    at = shifting.scenario.shifts[0].at_hours
    clicks = []
    for hours in (at - 1, at):
        shifting.traffic.hours = hours
        clicks.append(float(shifting.gold(ads).click.mean()))
    shifting.reset(0)
    assert clicks[1] > 1.1 * clicks[0]
