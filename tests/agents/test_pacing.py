import dataclasses

import pytest
import torch
from copybandit.agents.traffic.pacing import Paced, Pacer, Prices, affordable, price_of_money
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.scenario import load_scenario

from .conftest import ARMS, build, chances, respond, visits


def test_affordable_by_hand():
    wanted = torch.tensor([True, False, True, True])
    assert affordable(wanted, torch.tensor([1.0, 9.0, 2.0, 2.0]), 3.5).tolist() == [True, False, True, False]


def test_price_of_money_by_hand():
    # Worth a unit of money: 3, 2, 1. Two of the three cost 3 together, one an impression.
    value, cost = torch.tensor([3.0, 4.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])
    assert price_of_money(value, cost, target=1.0) == 1.0
    assert price_of_money(value, cost, target=0.9) == 2.0
    assert price_of_money(value, cost, target=2.0) == 0.0


@pytest.mark.parametrize(("batch", "chance"), [(1, 1.0), (64, 1.0), (1000, 1.0), (1, 0.1), (64, 0.1)])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_never_overspends_and_spends_nearly_all(batch, share, chance, generator):
    """Values drop to a quarter halfway through; where clicks cost, costs are known only afterwards."""
    horizon = 60_000 if batch > 1 else 5_000
    cost = torch.rand(horizon, generator=generator) + 0.5
    value = torch.rand(horizon, generator=generator) * chance
    value[horizon // 2 :] /= 4
    clicked = torch.rand(horizon, generator=generator) < chance
    budget = share * float(cost.sum()) * chance
    pacer = Pacer(budget, horizon, generator)
    for start in range(0, horizon, batch):
        rows = slice(start, min(start + batch, horizon))
        bought = pacer.buy(value[rows], chance * cost[rows], cost[rows])
        spent = float((bought & clicked[rows]).double() @ cost[rows].double())
        pacer.charge(spent, float(cost[rows][bought].double().sum()))
        assert pacer.spent <= budget
    assert pacer.spent >= 0.97 * budget


def test_buys_what_is_worth_more(generator):
    pacer, earned = Pacer(500.0, 5_000, generator), 0.0
    value = torch.rand(5_000, generator=generator)
    for rows in torch.arange(5_000).split(50):
        bought = pacer.buy(value[rows], torch.ones(50))
        earned += float(value[rows][bought].sum())
        pacer.charge(float(bought.sum()), float(bought.sum()))
    best = float(value.topk(500).values.sum())
    assert earned > 0.9 * best
    assert earned > 1.5 * 500 * float(value.mean())


@pytest.mark.parametrize("value", [0.0, 0.3, -1.0])
def test_of_equal_impressions_a_fair_share_is_bought_all_along(value, generator):
    """A tenth can be paid for; it is bought from the first batch to the last."""
    pacer, bought = Pacer(1_000.0, 10_000, generator), []
    for _ in range(100):
        mine = pacer.buy(torch.full((100,), value), torch.ones(100))
        pacer.charge(float(mine.sum()), float(mine.sum()))
        bought.append(int(mine.sum()))
    assert sum(bought[:10]) == pytest.approx(100, abs=30)
    assert sum(bought[50:60]) == pytest.approx(100, abs=30)
    assert sum(bought) >= 970


def test_what_is_not_paid_yet_is_reserved(generator):
    pacer = Pacer(10.0, 10, generator)
    assert pacer.buy(torch.ones(8), torch.ones(8), torch.full((8,), 2.0)).sum() == 5
    assert pacer.left == 0
    pacer.charge(1.0, 4.0)
    assert (pacer.spent, pacer.left) == (1.0, 3.0)


def test_prices_of_a_scenario():
    prices = Prices.of(load_scenario("shop")[0])
    assert prices.shown.tolist() == pytest.approx([0.0, 0.002, 0.003])
    assert prices.clicked.tolist() == pytest.approx([0.2, 0.0, 0.0])
    come = dataclasses.replace(visits(3), channel=torch.tensor([0, 1, 2]))
    slates = torch.tensor([[0, 1], [0, 1], [0, 1]])
    feedback = dataclasses.replace(respond(come, slates), clicked=torch.ones(3, 2, dtype=torch.bool))
    assert prices.of_feedback(feedback).tolist() == pytest.approx([0.4, 0.004, 0.006])


def paced(name="lints", budget=40.0, horizon=3200, **prices):
    given = {"shown": torch.tensor([0.05]), "clicked": torch.tensor([0.0])} | prices
    return Paced(build(name, slots=1), budget, horizon, Prices(**given))


def test_paced_agent_buys_what_its_budget_pays_for_and_learns(name):
    agent, budget = paced(name, clicked=torch.tensor([0.1])), 40.0
    shown = []
    for i in range(100):
        come = visits(32, seed=i)
        decision = agent.act(come, torch.arange(ARMS))
        assert decision.bought.shape == (32,)
        assert len(decision.slates) == int(decision.bought.sum())
        shown.append(decision.slates)
        if len(decision.slates):
            agent.update(decision.answer(respond(come[decision.bought], decision.slates, i)))
        assert agent.pacer.spent <= budget
    spent = agent.pacer.spent
    assert 0.9 * budget < spent <= budget
    if name not in ("random", "ucb1", "squarecb", "softmax"):
        assert chances(torch.cat(shown)[-200:]).mean() > 0.5


def test_dear_visitors_are_left_to_others():
    """Channel 1 costs ten times as much for the same; nearly all that is bought is of channel 0."""
    prices = Prices(torch.tensor([0.05, 0.5]), torch.zeros(2))
    agent = Paced(build("lints", slots=1, worth=build("random").worth), 40.0, 3200, prices)
    agent.agent.worth = dataclasses.replace(agent.agent.worth, examination=torch.ones(2, 1))
    by_channel = torch.zeros(2)
    for i in range(100):
        come = dataclasses.replace(visits(32, seed=i), channel=torch.arange(32) % 2)
        decision = agent.act(come, torch.arange(ARMS))
        if len(decision.slates):
            agent.update(decision.answer(respond(come[decision.bought], decision.slates, i)))
        by_channel += torch.bincount(come.channel[decision.bought], minlength=2)
    assert by_channel[0] > 10 * by_channel[1]


def test_paced_agent_goes_on_after_saving():
    first, second = paced(), paced()
    for i in range(5):
        come = visits(32, seed=i)
        decision = first.act(come, torch.arange(ARMS))
        first.update(decision.answer(respond(come[decision.bought], decision.slates, i)))
    second.load_state_dict(first.state_dict())
    for agent in (first, second):
        agent.act(visits(32, seed=9), torch.arange(ARMS))
    assert first.pacer.left == second.pacer.left
    assert first.pacer.multiplier == second.pacer.multiplier


def test_refusals(generator):
    with pytest.raises(InputError, match="budget"):
        Pacer(0.0, 10, generator)
    with pytest.raises(InputError, match="cost"):
        Pacer(1.0, 10, generator).charge(2.0, 1.0)
    with pytest.raises(InputError, match="cost"):
        Pacer(1.0, 10, generator).buy(torch.ones(2), torch.zeros(2))
    with pytest.raises(InputError, match="prices"):
        Prices(torch.zeros(1), torch.zeros(1))
    free = load_scenario("support")[0]
    with pytest.raises(InputError, match="costs nothing"):
        Prices.of(free)
