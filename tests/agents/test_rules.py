import math

import pytest
import torch
from copybandit.agents.models.counts import ArmCounts, hoeffding_width
from copybandit.agents.models.posterior import Posterior, Prior
from copybandit.agents.propensity import best_of_normals
from copybandit.agents.rules import InverseGap, Softmax, Uniform, UpperBound, argmax, sample, with_floor

MEAN = torch.tensor([[0.5, 0.3, 0.1]])
BELIEF = Posterior(MEAN, torch.tensor([[0.0, 0.1, 0.4]]))
LAST_TWO = torch.tensor([[False, True, True]])


def test_upper_bound():
    # 0.5, 0.4, 0.5: two tie.
    torch.testing.assert_close(UpperBound(1.0).distribution(BELIEF, None), torch.tensor([[0.5, 0.0, 0.5]]))
    torch.testing.assert_close(UpperBound(2.0).distribution(BELIEF, None), torch.tensor([[0.0, 0.0, 1.0]]))
    torch.testing.assert_close(UpperBound(0.0).distribution(BELIEF, LAST_TWO), torch.tensor([[0.0, 1.0, 0.0]]))


def test_inverse_gap():
    # Gaps .2 and .4, gamma 10: 1/(3+2), 1/(3+4), and the rest.
    expected = torch.tensor([[1 - 1 / 5 - 1 / 7, 1 / 5, 1 / 7]])
    torch.testing.assert_close(InverseGap(10.0).distribution(BELIEF, None), expected)
    torch.testing.assert_close(InverseGap(10.0).distribution(BELIEF, LAST_TWO), torch.tensor([[0.0, 0.75, 0.25]]))


def test_softmax():
    odds = math.exp(0.2 / 0.1)
    expected = torch.tensor([[0.0, odds / (1 + odds), 1 / (1 + odds)]])
    torch.testing.assert_close(Softmax(0.1).distribution(BELIEF, LAST_TWO), expected)


def test_uniform():
    torch.testing.assert_close(Uniform().distribution(BELIEF, LAST_TWO), torch.tensor([[0.0, 0.5, 0.5]]))


def test_floor():
    given = torch.tensor([[1.0, 0.0, 0.0]])
    torch.testing.assert_close(with_floor(given, None, 0.1), torch.tensor([[0.8, 0.1, 0.1]]))
    torch.testing.assert_close(with_floor(given, None, 0.9), torch.full((1, 3), 1 / 3))
    second = torch.tensor([[0.0, 1.0, 0.0]])
    torch.testing.assert_close(with_floor(second, LAST_TWO, 0.1), torch.tensor([[0.0, 0.9, 0.1]]))


def test_sample_never_takes_what_has_no_chance(generator):
    chance = torch.tensor([0.0, 0.3, 0.0, 0.7, 0.0]).expand(100_000, 5)
    index, given = sample(chance, generator)
    assert index.unique().tolist() == [1, 3]
    assert (index == 1).float().mean() == pytest.approx(0.3, abs=0.01)
    assert given.unique().tolist() == pytest.approx([0.3, 0.7])


def test_argmax_with_and_without_ties(generator):
    score = torch.randn(7, 50, generator=generator).T
    assert torch.equal(argmax(score), score.argmax(1))
    tied = torch.ones(5, 3)
    assert argmax(tied).max() < 3


def test_best_of_two_normals_has_a_closed_form():
    # P(N(1, 1) > N(0, 2^2)) = Phi(1 / sqrt 5).
    mean, deviation = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 2.0]])
    expected = torch.special.ndtr(torch.tensor([1 / 5**0.5], dtype=torch.float64))
    torch.testing.assert_close(best_of_normals(mean, deviation, torch.tensor([0]), None), expected)
    torch.testing.assert_close(best_of_normals(mean, deviation, torch.tensor([1]), None), 1 - expected)


def test_hoeffding_width():
    # t = 10: sqrt(2 ln 10 / 2) and sqrt(2 ln 10 / 8).
    expected = torch.tensor([math.log(10) ** 0.5, (math.log(10) / 4) ** 0.5])
    torch.testing.assert_close(hoeffding_width(torch.tensor([2.0, 8.0])), expected)


def test_counts_and_their_prior():
    counts = ArmCounts(1, torch.device("cpu"))
    counts.add_arms(1, Prior(torch.tensor([0.5]), strength=8.0))
    counts.learn(torch.zeros(3, 1), torch.tensor([0, 0, 0]), torch.ones(3), torch.tensor([1.0, 0.0, 1.0]))
    mean = counts.posterior(torch.zeros(1, 1), torch.arange(2)).mean[0]
    # Beta(1 + 2, 1 + 1) and Beta(1 + 4, 1 + 4).
    torch.testing.assert_close(mean, torch.tensor([0.6, 0.5]))


def test_what_counts_believe_of_an_arm_is_its_rate_where_it_was_tried():
    counts = ArmCounts(3, torch.device("cpu"))
    arms, rewards = torch.tensor([0, 0, 0, 0, 1]), torch.tensor([1.0, 0.0, 0.0, 0.0, 0.2])
    counts.learn(torch.zeros(5, 1), arms, torch.tensor([1.0, 1.0, 1.0, 1.0, 0.5]), rewards)
    prior = counts.belief(torch.tensor([0, 1, 2]))
    # 1 of 4 trials, 0.2 of half a trial (which counts half), and nothing of none.
    torch.testing.assert_close(prior.mean, torch.tensor([0.25, 0.2, 0.0]).double())
    torch.testing.assert_close(prior.strength, torch.tensor([10.0, 5.0, 0.0]).double())
