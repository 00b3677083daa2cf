import math

import numpy as np
import pytest
from copybandit.policies.effect.metrics import binomial_metrics


def test_two_cells_by_hand():
    probability, trials, successes = np.array([0.5, 0.1]), np.array([4.0, 10.0]), np.array([2.0, 1.0])
    found = binomial_metrics(probability, trials, successes, bins=2)
    loss = -(4 * math.log(0.5) + math.log(0.1) + 9 * math.log(0.9)) / 14
    base = -(3 * math.log(3 / 14) + 11 * math.log(11 / 14)) / 14
    assert found["log_loss"] == pytest.approx(loss)
    assert found["base_log_loss"] == pytest.approx(base)
    # Pairs of a success and a failure: 2 x 9 in order, 1 x 2 the wrong way round, 2 x 2 + 1 x 9 ties.
    assert found["auc"] == pytest.approx((18 + 13 / 2) / 33)
    # Perfect calibration in both cells.
    assert found["calibration_error"] == pytest.approx(0)


def test_calibration_error_is_relative_to_the_successes():
    found = binomial_metrics(np.array([0.2]), np.array([100.0]), np.array([10.0]))
    assert found["calibration_error"] == pytest.approx(1.0)  # ten expected too many, ten seen


def test_break_even_by_hand():
    # Three successes; the three trials of highest probability hold two of them.
    probability, trials = np.array([0.9, 0.8, 0.1]), np.array([2.0, 1.0, 10.0])
    found = binomial_metrics(probability, trials, np.array([1.0, 1.0, 1.0]))
    assert (found["precision"], found["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert found["f1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("won", [0.0, 5.0])
def test_nothing_is_said_when_all_ended_alike(won):
    assert binomial_metrics(np.array([0.5]), np.array([5.0]), np.array([won])) == {}
