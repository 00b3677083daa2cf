"""Shops without a table of users and creatives respond as those that have one."""

import pytest
import torch
from copybandit.envs.placement import first_ads
from copybandit.simulation import world as world_module
from copybandit.simulation.response import scales as scales_module
from copybandit.simulation.response.computed import Computed
from copybandit.simulation.response.lookup import MOOD, WORN, Lookup
from copybandit.simulation.world import World, demo_world


def pair(scenario: str, monkeypatch, first: int = 0) -> tuple[World, World]:
    """The same shop with a table and without; of the second, the `first` creatives were in a table once."""
    worlds = demo_world(scenario, users=200), demo_world(scenario, users=200)
    creatives = first_ads(worlds[0].catalog)
    creatives = (creatives * 12)[:12]
    worlds[0].publish(creatives)
    worlds[1].publish(creatives[:first])
    for world in worlds:
        if first:
            step(world, first, 300, seed=9)
    monkeypatch.setattr(world_module, "TABLE", 0)
    worlds[1].publish(creatives[first:])
    return worlds


def step(world: World, creatives: int, visits: int, seed: int):
    impressions = world.visitors(visits)
    pick = torch.Generator().manual_seed(seed)
    slates = torch.randint(creatives, (visits, world.slots), generator=pick)
    return world.expected(impressions, slates), world.respond(impressions, slates)


@pytest.mark.parametrize("scenario", ["shop", "support", "travel", "chafang"])
@pytest.mark.parametrize("first", [0, 5])
def test_as_with_a_table(scenario, first, monkeypatch):
    """Texts as queries, drifting tastes and cascades among them; visits few and many, and wear that matters."""
    table, computed = pair(scenario, monkeypatch, first)
    assert isinstance(table.lookup, Lookup)
    assert isinstance(computed.lookup, Computed)
    for seed, visits in enumerate((1, 64, 2000, 2000)):
        (rates, feedback), (other_rates, other) = (step(world, 12, visits, seed) for world in (table, computed))
        for name, rate in vars(rates).items():
            torch.testing.assert_close(vars(other_rates)[name], rate, rtol=1e-4, atol=1e-6)
        for name in ("looked", "clicked", "converted", "delay_hours"):
            assert torch.equal(getattr(other, name), getattr(feedback, name))
    assert bool(feedback.clicked.any())
    worn = table.lookup.part(WORN)
    user = torch.arange(200)
    cells = computed.lookup.cells(user, torch.zeros_like(user), torch.arange(12).expand(200, 12))
    figures = computed.lookup.figures(cells)
    assert float(worn.max()) > 3
    torch.testing.assert_close(figures[WORN], worn)
    torch.testing.assert_close(figures[MOOD], table.lookup.part(MOOD)[:, table.lookup._category])


def test_time_and_beginning_anew(monkeypatch):
    table, computed = pair("shop", monkeypatch)
    for world in (table, computed):
        step(world, 12, 500, seed=0)
        world.traffic.hours += 1e4
    rates, others = (step(world, 12, 500, seed=1)[0] for world in (table, computed))
    assert table.lookup.origin == computed.lookup.origin > 0
    torch.testing.assert_close(others.click, rates.click, rtol=1e-4, atol=1e-6)
    before = step(demo_with(computed), 12, 100, seed=2)[0]
    computed.reset(0)
    torch.testing.assert_close(step(computed, 12, 100, seed=2)[0].click, before.click)


def demo_with(world: World) -> World:
    """A shop that nobody has seen yet."""
    fresh = demo_world("shop", users=200)
    fresh.publish(world.creatives)
    return fresh


def test_the_oracle_and_missing_creatives(monkeypatch):
    table, computed = pair("shop", monkeypatch)
    for world in (table, computed):
        step(world, 12, 500, seed=0)
    best, other = (world.best(world.visitors(300), torch.arange(12)) for world in (table, computed))
    assert (best == other).float().mean() > 0.999
    for creative in (-1, 12):
        with pytest.raises(IndexError):
            computed.respond(computed.visitors(2), torch.full((2, computed.slots), creative))


def test_memory_goes_with_users_and_with_creatives_not_with_pairs(monkeypatch):
    def held(users: int, times: int) -> int:
        world = demo_world("shop", users=users)
        monkeypatch.setattr(world_module, "TABLE", 0)
        world.publish(first_ads(world.catalog)[:20] * times)
        assert isinstance(world.lookup, Computed)
        return world.lookup.held()

    user, creative = (held(400, 1) - held(200, 1)) / 200, (held(200, 11) - held(200, 1)) / 200
    assert user < 400
    assert creative < 400
    assert held(400, 11) == pytest.approx(held(200, 1) + 200 * user + 200 * creative)


def test_scales_of_many_users_are_met_on_some(monkeypatch):
    everyone = demo_world("shop", users=4000).scales
    monkeypatch.setattr(scales_module, "PEOPLE", 2000)
    some = demo_world("shop", users=4000).scales
    assert some.text_click != everyone.text_click
    for name in ("click_base", "convert_base", "text_click", "text_convert"):
        assert getattr(some, name) == pytest.approx(getattr(everyone, name), rel=0.05)
