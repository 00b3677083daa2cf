import itertools

import pytest
import torch
from copybandit.simulation.response import click_models as models

ATTENTION, CLICK = torch.tensor([[1.0, 0.8, 0.6]]), torch.tensor([[0.5, 0.2, 0.1]])
ALL = torch.ones(1, 3, dtype=torch.bool)


def test_first_showing_keeps_the_upper_of_two():
    slates = torch.tensor([[4, 4, 7], [1, 2, 1], [3, 3, 3]])
    kept = [[True, False, True], [True, True, False], [True, False, False]]
    assert models.first_showing(slates).tolist() == kept


def test_top_slots_best_first():
    assert models.top_slots(torch.tensor([[0.1, 0.9, 0.5], [3.0, 1.0, 2.0]]), 2).tolist() == [[1, 2], [0, 2]]


@pytest.mark.parametrize(
    ("going_on", "expected"),
    [
        (1.0, [1.0, 0.8, 0.6]),  # PBM
        (0.0, [1.0, 0.8 * 0.5, 0.6 * 0.5 * 0.8]),  # cascade: nobody reads on after a click
        (0.5, [1.0, 0.8 * 0.75, 0.6 * 0.75 * 0.9]),  # DCM: half of those who clicked do
    ],
)
def test_examination_by_hand(going_on, expected):
    torch.testing.assert_close(models.examination(ATTENTION, CLICK, ALL, going_on), torch.tensor([expected]))


def test_an_empty_slot_is_passed():
    shown = torch.tensor([[True, False, True]])
    expected = torch.tensor([[1.0, 0.0, 0.6 * 0.5]])
    torch.testing.assert_close(models.examination(ATTENTION, CLICK, shown, 0.0), expected)


@pytest.mark.parametrize("going_on", [None, 0.0, 0.4, 1.0])
def test_draws_follow_the_expectation(going_on, generator):
    n, convert = 200_000, 0.25
    luck = torch.rand(3, n, 3, generator=generator)
    chances = torch.stack([CLICK, torch.full_like(CLICK, convert)])
    parts = (ATTENTION.expand(n, 3), chances.expand(2, n, 3), ALL.expand(n, 3))
    looked, clicked, converted = models.walk(luck.unbind(0), *parts, going_on)
    expected = models.examination(ATTENTION, CLICK, ALL, 1.0 if going_on is None else going_on)[0]
    for drawn, rate in ((looked, expected), (clicked, expected * CLICK[0]), (converted, expected * CLICK[0] * convert)):
        torch.testing.assert_close(drawn.float().mean(0), rate, atol=0.004, rtol=0)
    assert not (clicked & ~looked).any()
    assert not (converted & ~clicked).any()
    if going_on == 0:
        assert clicked.sum(1).max() == 1
        assert (looked[:, 1:] <= looked[:, :-1]).all()


def test_the_best_order_beats_all_others(generator):
    click, value = torch.rand(50, 5, generator=generator), torch.rand(50, 5, generator=generator)
    attention = torch.tensor([1.0, 0.9, 0.7]).expand(50, 3)

    def worth(slates):
        shown = torch.ones_like(slates, dtype=torch.bool)
        looked = models.examination(attention, click.gather(1, slates), shown, 0.3)
        return (looked * (click * value).gather(1, slates)).sum(1)

    best = worth(models.best_order(attention, click, click * value, 0.3))
    orders = [torch.tensor(order).expand(50, 3) for order in itertools.permutations(range(5), 3)]
    torch.testing.assert_close(best, torch.stack([worth(order) for order in orders]).amax(0))
