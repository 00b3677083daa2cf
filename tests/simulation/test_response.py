import itertools
import math

import pytest
import torch
from copybandit.simulation.response import rates as response
from copybandit.simulation.response.fatigue import saturating
from hypothesis import given
from hypothesis import strategies as st


def test_best_of_gain_by_hand():
    worth = torch.tensor([3.0, 1.0, 2.0])
    # Pairs: max(1,2), max(1,3), max(2,3) = 2, 3, 3; the average text is worth 2.
    assert response.best_of_gain(worth, 2).item() == pytest.approx((8 / 3) / 2 - 1)
    assert response.best_of_gain(worth, 5).item() == pytest.approx(3 / 2 - 1)


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=7), st.integers(1, 7))
def test_best_of_gain_is_the_mean_over_all_draws(worths, k):
    k = min(k, len(worths))
    draws = [max(draw) for draw in itertools.combinations(worths, k)]
    expected = (sum(draws) / len(draws)) / (sum(worths) / len(worths)) - 1
    found = response.best_of_gain(torch.tensor(worths, dtype=torch.float64), k).item()
    assert found == pytest.approx(expected, abs=1e-9)


def test_scale_for_gain_by_hand():
    # Two texts of utility 0 and 1: 2 e^s / (1 + e^s) - 1 = tanh(s / 2), so s = 2 artanh(0.15).
    utility, group = torch.tensor([[0.0], [1.0]]), torch.tensor([0, 0])
    assert response.scale_for_gain(utility, group, 0.15) == pytest.approx(2 * math.atanh(0.15), abs=1e-5)


def test_scale_for_gain_counts_what_stands_beside():
    utility, group = torch.tensor([[0.0], [1.0]]), torch.tensor([0, 0])
    beside = torch.tensor([0.0, 0.1])
    found = response.scale_for_gain(utility, group, 0.15, beside=beside)
    assert found == pytest.approx(2 * math.atanh(0.15) - 0.1, abs=1e-5)
    assert response.scale_for_gain(utility, group, 0.15, beside=10 * beside) == 0.0


def test_scale_for_gain_leaves_lone_texts_out_unless_all_are_alone():
    utility = torch.tensor([[0.0], [1.0], [9.0]])
    assert response.scale_for_gain(utility, torch.tensor([0, 0, 1]), 0.15) == pytest.approx(0.30228, abs=1e-4)
    assert response.scale_for_gain(utility[:2], torch.tensor([0, 1]), 0.15) == pytest.approx(0.30228, abs=1e-4)


@pytest.mark.parametrize("target", [0.15, 0.0])
def test_scale_for_gain_is_zero_where_nothing_varies(target):
    same = torch.tensor([[1.0, 2.0]]).expand(4, 2)
    assert response.scale_for_gain(same, torch.tensor([0, 0, 1, 1]), target) == 0.0


def test_intercept_for_rate_by_hand():
    assert response.intercept_for_rate(torch.zeros(5), torch.ones(5), 0.2) == pytest.approx(math.log(0.25), abs=1e-5)
    # At b = 0: (3 * 0.5 + 1 * 0.75) / 4 = 0.5625.
    logits, weights = torch.tensor([0.0, math.log(3)]), torch.tensor([3.0, 1.0])
    assert response.intercept_for_rate(logits, weights, 0.5625) == pytest.approx(0.0, abs=1e-5)


def test_what_is_remembered_saturates():
    level = torch.tensor([0.0, 1.0, 3.0, 1e9, -1.0])
    torch.testing.assert_close(saturating(level), torch.tensor([0.0, 0.5, 0.75, 1.0, -0.5]))


def test_attributed_by_hand():
    assert response.attributed(6.0, None) == response.attributed(0.0, 1.0) == 1.0
    assert response.attributed(6.0, 6.0) == pytest.approx(1 - math.exp(-1))
