import numpy as np
import pytest
from copybandit.agents.horizon import ArchivePrior, Belief, believe, sampled, sums
from scipy.special import expit, logit

STARTS = np.array([0, 2])
TEXT = np.array([0.2, -0.2, 0.0, 0.1, -0.1])


def test_sums_over_tests():
    assert sums(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), STARTS).tolist() == [[3.0, 12.0]]


def test_before_any_click_the_belief_is_the_prior():
    prior = ArchivePrior(level=-4.0, level_variance=0.5, trust=0.5, spread=0.01, spread_per_click=0.001)
    belief = believe(prior, TEXT, np.zeros(5), np.zeros(5), STARTS)
    assert belief.level == pytest.approx([-4.0, -4.0])
    assert belief.mean == pytest.approx(-4.0 + 0.5 * TEXT)
    assert belief.variance == pytest.approx(np.full(5, 0.01 + 0.001 / expit(-4.0)))


def test_one_step_worked_by_hand():
    # One test of two arms at p = 1/2: weight W = 4 / 4 = 1, z = clicks - n p = +1 and -1, effects' variance 1.
    # v = W / (1 + W t) = 1/2; level = (0 + 1/2 - 1/2) / (1 + 1) = 0; effects = t z / (1 + W t) = +-1/2, variance 1/2.
    prior = ArchivePrior(level=0.0, level_variance=1.0, trust=0.0, spread=1.0)
    belief = believe(prior, np.zeros(2), np.array([4.0, 4.0]), np.array([3.0, 1.0]), np.array([0]))
    assert belief.level == pytest.approx([0.0])
    assert belief.mean == pytest.approx([0.5, -0.5])
    assert belief.variance == pytest.approx([0.5, 0.5])


def test_many_clicks_overrule_the_prior():
    prior = ArchivePrior(level=-4.0, level_variance=0.5, trust=1.0, spread=0.05)
    rate = np.array([0.01, 0.03, 0.02, 0.02, 0.05])
    belief = None
    for _ in range(30):
        belief = believe(prior, TEXT, np.full(5, 1e7), 1e7 * rate, STARTS, belief)
    assert belief is not None
    assert belief.mean == pytest.approx(logit(rate), abs=0.01)


def test_nothing_is_explored_at_the_end(rng):
    belief = Belief(np.zeros(1), np.array([0.1, 0.2]), np.array([1.0, 1.0]))
    assert sampled(belief, 0.5, 0.0, rng).tolist() == [0.1, 0.2]
    wide = Belief(np.zeros(1), np.zeros(20_000), np.full(20_000, 4.0))
    assert sampled(wide, 0.5, 0.5, rng).std() == pytest.approx(0.5, rel=0.05)
