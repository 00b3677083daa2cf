"""Each effect of the world alone: its direction, its size, and that it can be switched off."""

import dataclasses
import math

import pytest
import torch
from copybandit.simulation.data.catalog import Catalog, Creative, Query
from copybandit.simulation.outcomes import Accounts
from copybandit.simulation.scenario import Season, Shift, Social
from copybandit.simulation.text.queries import Queries
from copybandit.simulation.world import make_world


@pytest.fixture
def build(tiny_scenario, tiny_catalog):
    """A tiny world with all ads published; arguments change the scenario, or every channel of it."""

    def make(channels: dict | None = None, catalog: Catalog = tiny_catalog, users: int = 40, **changes):
        kept = {name: c.model_copy(update=channels or {}) for name, c in tiny_scenario.channels.items()}
        scenario = tiny_scenario.model_copy(update={"channels": kept, "fatigue": 0.0, **changes})
        world = make_world(scenario, catalog, users=users)
        world.publish(catalog.ads)
        return world

    return make


def each(world, visits, ads=range(12)):
    """Rates of each ad alone on top, for every visit: click and conversion, [B, ads]."""
    rates = [world.expected(visits, torch.full((len(visits), 1), ad)) for ad in ads]
    return torch.cat([r.click for r in rates], 1), torch.cat([r.convert for r in rates], 1)


def at(visits, hours: float):
    return dataclasses.replace(visits, hours=torch.full_like(visits.hours, hours))


def test_the_hour_moves_clicks_and_is_seen(build):
    world = build(channels={"daily": 0.5, "peak_hour": 6.0}, visits_per_hour=100)
    visits = world.visitors(2400)
    assert visits.moment is not None
    torch.testing.assert_close(visits.moment[600], torch.tensor(0.5))
    torch.testing.assert_close(visits.moment[1800], torch.tensor(-0.5))
    assert world.traffic.context_names[-2:] == ("hour=sin", "hour=cos")
    torch.testing.assert_close(visits.context[600, -2:], torch.tensor([1.0, 0.5]))
    slates = torch.zeros(2400, 1, dtype=torch.int64)
    shifted = world.expected(visits, slates).click.logit()
    still = world.expected(dataclasses.replace(visits, moment=None), slates).click.logit()
    torch.testing.assert_close(shifted - still, visits.moment[:, None], atol=1e-4, rtol=0)


def test_competitors_take_clicks_and_vary(build):
    visits = build(channels={"competitors": 1.0}).visitors(4000)
    assert visits.moment is not None
    assert visits.moment.median().item() == pytest.approx(-math.log(2), abs=0.03)
    assert visits.moment.max() < 0
    assert visits.moment.std() > 0.2
    assert not build().visitors(10).moment.any()


def test_a_click_draws_to_the_category_and_looks_wear_it_out(build):
    gain, loss = 0.6, 0.1
    world = build(interest_gain=gain, interest_loss=loss, interest_recovery_hours=10.0)
    visits, slate = at(world.visitors(1), 0.0), torch.tensor([[0]])
    before = each(world, visits, (0, 4, 8))[0].logit()
    feedback = world.respond(visits, slate)
    level = gain * float(feedback.clicked[0, 0]) - loss
    after = each(world, visits, (0, 4, 8))[0].logit()
    moved = level / (1 + abs(level))
    # Ads 0 and 4 are of kitchen things, ad 8 is not.
    torch.testing.assert_close(after - before, torch.tensor([[moved, moved, 0.0]]), atol=1e-4, rtol=0)
    level *= math.exp(-1)
    later = each(world, at(visits, 10.0), (0, 4, 8))[0].logit()
    torch.testing.assert_close((later - before)[0, 0].item(), level / (1 + abs(level)), atol=1e-4, rtol=0)


def test_interest_rises_where_clicks_come_often(build):
    world = build(interest_gain=1.0, interest_loss=0.0)
    visits = world.visitors(3000)
    feedback = world.respond(visits, torch.zeros(3000, 1, dtype=torch.int64))
    clickers = feedback.clicked[:, 0]
    assert clickers.any()
    fresh = build(interest_gain=1.0).expected(visits, torch.zeros(3000, 1, dtype=torch.int64)).click
    now = world.expected(visits, torch.zeros(3000, 1, dtype=torch.int64)).click
    assert (now[clickers] > fresh[clickers]).all()


def test_the_season_comes_and_goes(build):
    world = build(season=Season(period_hours=100.0, tastes={"urgency": 1.0}))
    visits = world.visitors(30)
    rates = [each(world, at(visits, hours))[0].logit() for hours in (0.0, 25.0, 75.0)]
    urgency = world.scales.text_click * world.reader.read(world.creatives).appeals[:, 2].expand(30, 12)
    torch.testing.assert_close(rates[1] - rates[0], urgency, atol=1e-4, rtol=0)
    torch.testing.assert_close(rates[2] - rates[0], -urgency, atol=1e-4, rtol=0)
    assert urgency.max() > 0.1


def test_tastes_shift_for_good_and_the_gold_follows(build):
    world = build(shifts=[Shift(at_hours=5.0, tastes={"value": -2.0})], visits_per_hour=100)
    value = world.reader.read(world.creatives).appeals[:, 0] > 0
    before = world.gold(world.creatives).click.mean(0)
    world.visitors(499)
    torch.testing.assert_close(world.gold(world.creatives).click.mean(0), before)
    world.visitors(1)
    after = world.gold(world.creatives).click.mean(0)
    assert (after[value] < before[value]).all()
    torch.testing.assert_close(after[~value], before[~value])


def test_conversions_outside_the_window_are_not_counted(build):
    everything, window = build(), build(attribution_hours=6.0)
    visits = everything.visitors(50)
    # Rates asked for are those counted, so fewer are lost at the intercept: the share inside 6 hours of mean 6.
    scales = everything.scales
    window.rescale(scales)
    ratio = each(window, visits)[1] / each(everything, visits)[1]
    torch.testing.assert_close(ratio, torch.full_like(ratio, 1 - math.exp(-1)))
    shown = torch.randint(12, (40_000, 2))
    feedback = window.respond(window.visitors(40_000), shown)
    delays = feedback.delay_hours[feedback.converted]
    assert delays.max() < 6.0
    # Mean of an exponential of mean 6 cut off at 6: 6 (1 - 1 / (e - 1)).
    assert delays.mean().item() == pytest.approx(6 * (1 - 1 / (math.e - 1)), rel=0.05)


@pytest.mark.parametrize("window", [None, 6.0])
def test_rates_asked_for_are_those_counted(build, window):
    world = build(attribution_hours=window, users=500)
    shown = torch.randint(12, (60_000, 2), generator=torch.Generator().manual_seed(1))
    feedback = world.respond(world.visitors(60_000), shown)
    twice = shown[:, 0] == shown[:, 1]
    assert feedback.clicked[~twice].float().mean().item() == pytest.approx(0.2, rel=0.05)
    assert feedback.converted.sum().item() / feedback.clicked.sum().item() == pytest.approx(0.3, rel=0.06)


def test_after_a_click_the_cascade_ends(build):
    world = build(click_model="cascade")
    feedback = world.respond(world.visitors(5000), torch.tensor([[0, 4]]).expand(5000, 2))
    assert feedback.clicked.sum(1).max() == 1
    reading_on = build(click_model="dcm", going_on=0.7)
    twice = reading_on.respond(reading_on.visitors(5000), torch.tensor([[0, 4]]).expand(5000, 2)).clicked.all(1)
    pbm = build()
    free = pbm.respond(pbm.visitors(5000), torch.tensor([[0, 4]]).expand(5000, 2)).clicked.all(1)
    assert 0 < twice.sum() < free.sum()


def test_the_oracle_of_a_cascade_earns_most(build):
    world = build(click_model="cascade")
    visits, candidates = world.visitors(200), torch.tensor([0, 3, 6, 9])

    def worth(slates):
        rates = world.expected(visits, slates)
        return (rates.ctr * (1 + rates.convert)).sum(1)

    best = worth(world.best(visits, candidates, conversion_value=1.0))
    for first in candidates:
        for second in candidates:
            if first != second:
                assert (best >= worth(torch.stack([first, second]).expand(200, 2)) - 1e-6).all()


def test_costs_by_show_and_by_click_and_revenue_of_what_is_kept(build):
    world = build(channels={"cost_per_thousand": 5.0, "cost_per_click": 0.5}, margin=0.4, returns=0.25)
    accounts = Accounts(world, torch.Generator().manual_seed(0))
    feedback = world.respond(world.visitors(20_000), torch.tensor([[0, 11]]).expand(20_000, 2))
    outcomes = accounts.of(feedback)
    torch.testing.assert_close(outcomes.cost, 0.005 + 0.5 * feedback.clicked)
    kept = feedback.converted & ~outcomes.returned
    price = torch.tensor([p.price for p in world.catalog.products])[[0, 3]]
    torch.testing.assert_close(outcomes.revenue, 0.4 * price * kept)
    torch.testing.assert_close(outcomes.profit, outcomes.revenue - outcomes.cost)
    assert not (outcomes.returned & ~feedback.converted).any()
    share = outcomes.returned.sum().item() / feedback.converted.sum().item()
    assert share == pytest.approx(0.25, abs=0.03)


def test_overclaims_come_back(build, tiny_catalog):
    loud = tiny_catalog.with_ads([*tiny_catalog.ads, Creative("k1", "The best ever, a perfect miracle.")])
    world = build(catalog=loud, returns=0.2, returns_overclaim=2.0)
    feedback = world.respond(world.visitors(60_000), torch.tensor([[0, 12]]).expand(60_000, 2))
    returned = Accounts(world, torch.Generator().manual_seed(0)).of(feedback).returned
    honest, hyped = (returned.sum(0) / feedback.converted.sum(0)).tolist()
    assert honest == pytest.approx(0.2, abs=0.03)
    assert hyped > honest + 0.1


def test_the_feed_answers_what_it_likes(build):
    world = build(channels={"social": Social(like=0.1, comment=0.02)})
    feedback = world.respond(world.visitors(60_000), torch.randint(12, (60_000, 2)))
    outcomes = Accounts(world, torch.Generator().manual_seed(0)).of(feedback)
    assert not (outcomes.likes & ~feedback.looked).any()
    assert not outcomes.shares.any()
    likes = [outcomes.likes[feedback.slates == ad].float().mean() for ad in range(12)]
    clicks = [feedback.clicked[feedback.slates == ad].float().mean() for ad in range(12)]
    assert torch.corrcoef(torch.tensor([likes, clicks]))[0, 1] > 0.8
    assert outcomes.likes.sum() > 3 * outcomes.comments.sum()


def test_a_query_is_answered_by_category_and_words(tiny_catalog):
    asked = tiny_catalog.with_queries([Query("solid pan", "kitchen"), Query("tent for rain", "outdoor")])
    queries = Queries(asked)
    creatives = [Creative("k1", "A solid pan."), Creative("k1", "Cooks."), Creative("o1", "Solid in the rain.")]
    match = queries.match(creatives)
    assert match[0, 0] == pytest.approx(1.0)
    assert match[0, 1] == pytest.approx(0.5)
    assert 0 < match[0, 2] < 0.5
    assert queries.retrieve(creatives, 2)[0].tolist() == [0, 1]
    for_rain = Creative("o1", "Solid in the rain.", audience="tent for rain")
    assert queries.own([for_rain])[0] == pytest.approx(match[1, 2].item())


def test_plain_queries_are_categories(tiny_catalog):
    match = Queries(tiny_catalog).match(tiny_catalog.ads)
    assert match.tolist() == [[1.0] * 6 + [0.0] * 6, [0.0] * 6 + [1.0] * 6]
    assert Queries(tiny_catalog).own(tiny_catalog.ads).tolist() == [1.0] * 12


def test_queries_bring_clicks_to_what_answers_them(build, tiny_catalog):
    texts = [Query("solid pan", "kitchen"), Query("save on a pan", "kitchen"), Query("tent", "outdoor")]
    world = build(catalog=tiny_catalog.with_queries(texts))
    visits = world.visitors(2000)
    assert set(visits.query[visits.channel == 0].tolist()) == {0, 1, 2}
    assert (visits.query[visits.channel == 1] == -1).all()
    asks = visits.query >= 0
    category = visits.context[:, [n.startswith("query=") for n in world.traffic.context_names]]
    assert torch.equal(category.argmax(1)[asks], world.traffic.queries.category[visits.query[asks]])
    none = dataclasses.replace(visits, query=torch.full_like(visits.query, -1))
    gained = each(world, visits)[0].logit() - each(world, none)[0].logit()
    match = world.traffic.queries.match(world.creatives)
    torch.testing.assert_close(gained[asks], match[visits.query[asks]] * 1.0, atol=1e-4, rtol=0)
