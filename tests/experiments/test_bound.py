"""The bound on what any policy earns in a replay."""

import numpy as np
import pytest
from copybandit.agents.horizon import ArchivePrior
from copybandit.experiments.analysis.headlines.bound import drawn_levels, most_earned, most_of_two
from copybandit.experiments.analysis.headlines.placements import TextAndHorizon, text_only
from copybandit.experiments.analysis.headlines.replay import ArchiveTests, capture, replay
from scipy.special import expit, logit

PRIOR = ArchivePrior(level=-3.0, level_variance=0.2, trust=1.0, spread=0.04)


def _drawn(rng: np.random.Generator, count: int, arms: int = 3, spread: float = PRIOR.spread) -> ArchiveTests:
    """Tests drawn from the prior."""
    text = rng.normal(0, 0.1, (count, arms))
    text -= text.mean(1, keepdims=True)
    level = rng.normal(PRIOR.level, PRIOR.level_variance**0.5, (count, 1))
    odds = level + PRIOR.trust * text + rng.normal(0, spread**0.5, (count, arms))
    return ArchiveTests(expit(odds).ravel(), text.ravel(), np.arange(0, count * arms, arms))


def test_turns_are_dealt_to_two_by_hand():
    # Sums after 0, 1, 2 turns: two turns earn most as one and one, 3 + 2.
    first, second = np.array([[0.0, 3.0, 4.0]]), np.array([[0.0, 2.0, 2.5]])
    assert most_of_two(first, second).tolist() == [[0.0, 3.0, 5.0]]


def test_levels_are_found_where_texts_say_all(rng):
    tests = _drawn(rng, 50, arms=200, spread=1e-6)
    prior = ArchivePrior(PRIOR.level, PRIOR.level_variance, PRIOR.trust, 1e-6)
    level = np.add.reduceat(logit(tests.rate), tests.starts) / 200
    assert drawn_levels(tests, prior, rng) == pytest.approx(level, abs=1e-3)


def test_no_policy_is_above_it_and_it_is_below_the_oracle(rng):
    tests = _drawn(rng, 600)
    for total in (300, 4000):
        bound = capture(tests, most_earned(tests, PRIOR, total, rng))
        for policy in (text_only, TextAndHorizon(PRIOR, 0.2), TextAndHorizon(PRIOR, 0.5)):
            assert capture(tests, replay(tests, policy, total, rng)) < bound
        assert bound < 1


def test_where_nothing_can_be_learned_it_is_what_the_texts_earn(rng):
    prior = ArchivePrior(PRIOR.level, PRIOR.level_variance, PRIOR.trust, 1e-8)
    tests = _drawn(rng, 300, spread=1e-8)
    bound = most_earned(tests, prior, 500, rng)
    assert bound == pytest.approx(replay(tests, text_only, 500, rng), rel=1e-3)
