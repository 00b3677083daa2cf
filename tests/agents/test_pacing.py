import pytest
import torch
from copybandit.agents.traffic.pacing import Pacer, affordable, price_of_money
from copybandit.simulation.data.errors import InputError


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
def test_never_overspends_and_spends_nearly_all(batch, share, chance):
    """Values drop to a quarter halfway through; where clicks cost, costs are known only afterwards."""
    horizon = 60_000 if batch > 1 else 5_000
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(horizon, generator=generator) + 0.5
    value = torch.rand(horizon, generator=generator) * chance
    value[horizon // 2 :] /= 4
    clicked = torch.rand(horizon, generator=generator) < chance
    budget = share * float(cost.sum()) * chance
    pacer = Pacer(budget, horizon)
    for start in range(0, horizon, batch):
        rows = slice(start, min(start + batch, horizon))
        bought = pacer.buy(value[rows], chance * cost[rows], cost[rows])
        spent = float((bought & clicked[rows]).double() @ cost[rows].double())
        pacer.charge(spent, len(bought))
        assert pacer.spent <= budget
    assert pacer.spent >= 0.97 * budget


def test_buys_what_is_worth_more():
    generator = torch.Generator().manual_seed(1)
    pacer, earned = Pacer(500.0, 5_000), 0.0
    value = torch.rand(5_000, generator=generator)
    for rows in torch.arange(5_000).split(50):
        bought = pacer.buy(value[rows], torch.ones(50))
        earned += float(value[rows][bought].sum())
        pacer.charge(float(bought.sum()), 50)
    best = float(value.topk(500).values.sum())
    assert earned > 0.9 * best
    assert earned > 1.5 * 500 * float(value.mean())


def test_refusals():
    with pytest.raises(InputError, match="budget"):
        Pacer(0.0, 10)
    with pytest.raises(InputError, match="cost"):
        Pacer(1.0, 10).charge(2.0, 1)
