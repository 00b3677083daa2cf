import dataclasses
import itertools
import math

import pytest
import torch
from copybandit.envs.placement import first_ads
from copybandit.simulation import world as world_module
from copybandit.simulation.data.catalog import Catalog
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.response.utilities import Scales
from copybandit.simulation.world import demo_world, make_world


def alone(visits, row: int, hours: float, times: int = 1):
    """The visit of one row, at an hour, `times` over."""
    one = visits[torch.full((times,), row)]
    return dataclasses.replace(one, hours=torch.full((times,), hours, dtype=torch.float64))


def lost(world, visit, slate, fresh) -> float:
    """Click logit that the first slot has lost since it was fresh."""
    return (fresh.click.logit() - world.expected(visit, slate).click.logit())[0, 0].item()


def test_expected_is_the_sum_of_its_parts(tiny_world):
    shown = tiny_world.publish(tiny_world.catalog.ads)
    visits, people, scales = tiny_world.visitors(50), tiny_world.audience, tiny_world.scales
    slates = shown[torch.randint(12, (50, 2))]
    rates, reading = tiny_world.expected(visits, slates), tiny_world.reader.read(tiny_world.catalog.ads)
    price = torch.tensor([40.0, 15, 120, 30]).log()
    price = (price - price.mean()) / price.std(correction=0)
    for i, slot in itertools.product(range(50), range(2)):
        user, ad = int(visits.user[i]), int(slates[i, slot])
        product, category = ad // 3, ad // 6
        search = int(visits.channel[i]) == 0
        taste = people.tastes[user] + torch.tensor([0, 0.4 * category, 0])
        logit = scales.click_base + (0.2 if search else -0.1) + 0.5 * people.interest[user, category]
        logit += 1.0 * (search and int(visits.query[i]) == category)
        logit += scales.text_click * (taste @ reading.appeals[ad] + reading.click[ad]) - 1.2 * reading.garbled[ad]
        sale = scales.convert_base + 0.3 * people.interest[user, category]
        sale += math.log(0.7) * reading.false_facts[ad]
        sale += scales.text_convert * reading.convert[ad] - people.price_sensitivity[user] * price[product]
        torch.testing.assert_close(rates.click[i, slot], logit.sigmoid())
        torch.testing.assert_close(rates.convert[i, slot], sale.sigmoid())
        seen = [[1.0, 0.6], [1.0, 0.8]][0 if search else 1][slot] if slot == 0 or ad != slates[i, 0] else 0.0
        assert rates.ctr[i, slot].item() == pytest.approx(seen * logit.sigmoid().item(), rel=1e-4)


def test_slots_are_examined_as_the_position_model_says(tiny_world):
    shown = tiny_world.publish(tiny_world.catalog.ads)[:2]
    tiny_world.rescale(Scales(50.0, -50.0, 0.0, 0.0))  # what is looked at is clicked
    visits = tiny_world.visitors(20_000)
    clicked = tiny_world.respond(visits, shown.expand(20_000, 2)).clicked.float()
    for channel, second in enumerate([0.6, 0.8]):
        frequency = clicked[visits.channel == channel].mean(0)
        assert frequency[0] == 1
        assert frequency[1].item() == pytest.approx(second, abs=0.015)


def test_fatigue_grows_with_every_look_and_recovers(tiny_world):
    slate, visits = tiny_world.publish(tiny_world.catalog.ads)[None, :1], tiny_world.visitors(5)
    visit = alone(visits, 0, 0.0)
    fresh = tiny_world.expected(visit, slate)
    tiny_world.respond(visit, slate)
    assert lost(tiny_world, visit, slate, fresh) == pytest.approx(0.5 * 1 / 2, abs=1e-4)
    a_day = math.exp(-1)  # recovery takes 24 hours
    assert lost(tiny_world, alone(visits, 0, 24.0), slate, fresh) == pytest.approx(0.5 * a_day / (1 + a_day), abs=1e-4)
    # Three visits in one batch all count: the faded one and three more.
    tiny_world.respond(alone(visits, 0, 24.0, times=3), slate.expand(3, 1))
    level = 3 + a_day
    assert lost(tiny_world, alone(visits, 0, 24.0), slate, fresh) == pytest.approx(0.5 * level / (1 + level), abs=1e-4)


def test_fatigue_is_of_one_user_and_one_creative(tiny_world):
    shown, visits = tiny_world.publish(tiny_world.catalog.ads), tiny_world.visitors(40)
    slates = shown[:2].expand(40, 2)
    before = tiny_world.expected(visits, slates).click
    row = int((visits.user != visits.user[0]).nonzero()[0])
    tiny_world.respond(visits[row : row + 1], shown[None, :1])
    changed = tiny_world.expected(visits, slates).click != before
    assert torch.equal(changed[:, 0], visits.user == visits.user[row])
    assert not changed[:, 1].any()


def test_a_creative_given_twice_is_shown_once(tiny_world):
    first, other = tiny_world.publish(tiny_world.catalog.ads)[:2].tolist()
    visits = tiny_world.visitors(3000)
    slates = torch.tensor([[first, first]]).expand(3000, 2)
    assert (tiny_world.expected(visits, slates).examine == torch.tensor([1.0, 0.0])).all()
    feedback = tiny_world.respond(visits, slates)
    assert feedback.clicked[:, 0].any()
    assert not feedback.clicked[:, 1].any()
    worn_once = tiny_world.expected(visits, slates).click[:, 0]
    tiny_world.reset(0)
    tiny_world.respond(visits, torch.tensor([[first, other]]).expand(3000, 2))
    torch.testing.assert_close(tiny_world.expected(visits, slates).click[:, 0], worn_once)


def test_conversions_follow_clicks_after_an_exponential_delay(tiny_world):
    shown = tiny_world.publish(tiny_world.catalog.ads)
    feedback = tiny_world.respond(tiny_world.visitors(30_000), shown[torch.randint(12, (30_000, 2))])
    assert not (feedback.converted & ~feedback.clicked).any()
    assert torch.equal(feedback.delay_hours.isfinite(), feedback.converted)
    delays = feedback.delay_hours[feedback.converted]
    assert delays.mean().item() == pytest.approx(6.0, rel=0.08)
    assert delays.median().item() == pytest.approx(6.0 * math.log(2), rel=0.1)


def test_draws_follow_the_expected_rates(tiny_world):
    shown = tiny_world.publish(tiny_world.catalog.ads)
    visits, slates = tiny_world.visitors(30_000), shown[torch.randint(12, (30_000, 2))]
    rates = tiny_world.expected(visits, slates)
    feedback = tiny_world.respond(visits, slates)
    assert feedback.clicked.float().mean().item() == pytest.approx(rates.ctr.mean().item(), rel=0.03)
    sales = (rates.ctr * rates.convert).mean().item()
    assert feedback.converted.float().mean().item() == pytest.approx(sales, rel=0.06)


def test_the_oracle_is_the_best_of_all_slates(tiny_world):
    shown = tiny_world.publish(tiny_world.catalog.ads)[[0, 3, 6, 9, 10]]
    visits = tiny_world.visitors(300)

    def worth(slates):
        rates = tiny_world.expected(visits, slates)
        return (rates.ctr * (1 + 2.0 * rates.convert)).sum(1)

    best = worth(tiny_world.best(visits, shown, conversion_value=2.0))
    others = [worth(shown[list(pair)].expand(300, 2)) for pair in itertools.permutations(range(5), 2)]
    torch.testing.assert_close(best, torch.stack(others).amax(0))
    assert best.mean() > 1.1 * torch.stack(others).mean()


def test_the_oracle_knows_which_slot_is_looked_at_most(tiny_scenario, tiny_catalog):
    channels = {name: c.model_copy(update={"examination": [0.3, 0.9]}) for name, c in tiny_scenario.channels.items()}
    world = make_world(tiny_scenario.model_copy(update={"channels": channels}), tiny_catalog, users=20)
    shown, visits = world.publish(world.catalog.ads), world.visitors(50)
    click = world.expected(visits, world.best(visits, shown)).click
    assert (click[:, 1] >= click[:, 0]).all()


def test_gold_is_what_an_unworn_visitor_of_each_channel_does(tiny_world):
    ads = tiny_world.catalog.ads
    gold = tiny_world.gold(ads)
    assert gold.click.shape == (40, 12)
    shown, visits = tiny_world.publish(ads), tiny_world.visitors(1)
    click = torch.zeros(40, 12)
    for user, ad in itertools.product(range(40), range(12)):
        for channel, share in enumerate([0.6, 0.4]):
            who = {"user": user, "channel": channel, "query": ad // 6 if channel == 0 else -1}
            visit = dataclasses.replace(visits, **{name: torch.tensor([value]) for name, value in who.items()})
            rates = tiny_world.expected(visit, shown[None, ad : ad + 1])
            click[user, ad] += share * rates.click.item()
        torch.testing.assert_close(gold.convert[user, ad], rates.convert[0, 0])
    torch.testing.assert_close(gold.click, click)


def test_publishing_keeps_indices(tiny_world):
    ads = tiny_world.catalog.ads
    assert tiny_world.publish(ads[:5]).tolist() == [0, 1, 2, 3, 4]
    visits, slates = tiny_world.visitors(30), torch.tensor([[0, 4]]).expand(30, 2)
    tiny_world.respond(visits, slates)
    before = tiny_world.expected(visits, slates)
    assert tiny_world.publish([]).tolist() == []
    assert tiny_world.publish(ads[5:7]).tolist() == [5, 6]
    assert tiny_world.products_of(torch.tensor([[0, 3], [5, 6]])).tolist() == [[0, 1], [1, 2]]
    assert torch.equal(tiny_world.expected(visits, slates).click, before.click)
    assert tiny_world.gold([]).click.shape == (40, 0)


def history(world, seed: int | None = None, n: int = 500) -> list[torch.Tensor]:
    if seed is not None:
        world.reset(seed)
    visits = world.visitors(n)
    slates = torch.arange(2 * n, device=world.device).reshape(n, 2) % len(world.creatives)
    feedback = world.respond(visits, slates)
    later = world.expected(visits, slates)
    return [visits.context, feedback.clicked, feedback.converted, feedback.delay_hours, later.click]


def test_the_same_seed_gives_the_same_bits(make_tiny_world, device):
    worlds = [make_tiny_world(seed=seed, device=device) for seed in (3, 3, 4)]
    for world in worlds:
        world.publish(world.catalog.ads)
    first, second, other = (history(world) for world in worlds)
    assert all(map(torch.equal, first, second))
    assert not torch.equal(first[1], other[1])
    again = history(worlds[0], seed=3)
    assert all(map(torch.equal, first, again))
    assert not torch.equal(history(worlds[0], seed=5)[1], first[1])


def test_the_same_bits_however_many_visits_meet_in_one_cell(make_tiny_world):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        world = make_tiny_world(users=1000)
        world.publish(world.catalog.ads)
        first, *others = (history(world, seed=1, n=65_536)[-1] for _ in range(4))
        assert all(torch.equal(first, other) for other in others)
    finally:
        torch.set_num_threads(threads)


def test_nobody_comes(tiny_world):
    shown, visits = tiny_world.publish(tiny_world.catalog.ads), tiny_world.visitors(3)[:0]
    assert tiny_world.respond(visits, shown[:2].expand(0, 2)).clicked.shape == (0, 2)


def test_a_catalog_without_ads_is_refused(tiny_scenario, tiny_catalog):
    with pytest.raises(InputError, match="no reference ads"):
        make_world(tiny_scenario, Catalog(tiny_catalog.products))


def test_prices_of_any_size(tiny_scenario, tiny_catalog):
    products = [
        dataclasses.replace(p, price=price) for p, price in zip(tiny_catalog.products, [0, 1, 1e300, 5], strict=True)
    ]
    world = make_world(tiny_scenario, Catalog(products, tiny_catalog.ads), users=10)
    assert world.gold(tiny_catalog.ads).convert.isfinite().all()


@pytest.mark.parametrize("scenario", ["shop", "support", "travel"])
def test_few_visitors_are_served_to_the_same_bits_in_numpy(scenario, monkeypatch):
    """Repeated creatives, short slates and sizes on both sides of the limit; what users remember as well."""
    served = []
    for few in (0, 1 << 20):
        monkeypatch.setattr(world_module, "FEW", few)
        world = demo_world(scenario, users=100)
        world.publish(first_ads(world.catalog)[:6])
        pick, parts = torch.Generator().manual_seed(1), []
        for n, slots in ((1, world.slots), (1, 2), (7, world.slots), (64, 1), (300, world.slots)) * 4:
            slates = torch.randint(6, (n, slots), generator=pick)
            feedback = world.respond(world.visitors(n), slates)
            parts += [feedback.clicked, feedback.converted, feedback.delay_hours, feedback.looked]
        served.append([*parts, world.lookup._flat])
    assert any(bool(part.any()) for part in served[0][1::4])
    assert all(torch.equal(one, other) for one, other in zip(*served, strict=True))


def test_a_creative_that_is_not_there_is_refused():
    world = demo_world(users=20)
    world.publish(first_ads(world.catalog)[:3])
    for creative in (-1, 3):
        with pytest.raises(IndexError):
            world.respond(world.visitors(2), torch.full((2, world.slots), creative))
