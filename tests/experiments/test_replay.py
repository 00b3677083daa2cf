from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from copybandit.experiments.analysis.headlines.figures import captures
from copybandit.experiments.analysis.headlines.placements import (
    NO_END,
    OURS,
    Commit,
    EarlyTest,
    TextAndHorizon,
    bernoulli_kl,
    beta_prior,
    learn_exploration,
    learn_prior,
    policies,
    text_only,
    uniform,
)
from copybandit.experiments.analysis.headlines.replay import (
    ArchiveTests,
    ReplayState,
    capture,
    join,
    replay,
    replayed_tests,
    shrunken_rates,
)
from scipy.special import expit


def _tests(rng: np.random.Generator, count: int = 60, known: float = 1.0, noise: float = 0.0) -> ArchiveTests:
    """Tests of three arms; the text model says `known` of the arms' effects, and noise."""
    effect = rng.normal(0, 0.3, (count, 3))
    effect -= effect.mean(1, keepdims=True)
    text = known * effect + noise * rng.normal(0, 0.3, (count, 3))
    text -= text.mean(1, keepdims=True)
    rate = expit(rng.normal(-3, 0.3, (count, 1)) + effect)
    return ArchiveTests(rate.ravel(), text.ravel(), np.arange(0, 3 * count, 3))


def test_shrinking_by_hand():
    # Mean rate of the group 3/200; (1 + 3000 * 3/200) / (100 + 3000) = 46/3100.
    rate = shrunken_rates(np.array([100.0, 100.0]), np.array([1.0, 2.0]), np.array([0, 0]))
    assert rate == pytest.approx([46 / 3100, 47 / 3100])


def test_tests_of_an_archive():
    arms = pd.DataFrame({"group": [0, 0, 1, 1, 1], "impressions": [1e9] * 5, "clicks": [1e7, 2e7, 1e7, 1e7, 4e7]})
    tests = replayed_tests(arms, np.array([1.0, 3.0, 0.0, 0.0, 3.0]))
    assert tests.text.tolist() == [-1, 1, -1, -1, 2]
    assert tests.sizes.tolist() == [2, 3]
    assert tests.uniform == pytest.approx([0.015, 0.02], rel=1e-3)
    assert tests.best == pytest.approx([0.02, 0.04], rel=1e-3)
    assert tests.part(np.array([False, True])).rate.tolist() == tests.rate[2:].tolist()
    assert join([tests, tests]).starts.tolist() == [0, 2, 5, 7]


def test_every_policy_places_every_impression(rng):
    tests = _tests(rng, 5)
    for total in (100, 730):
        for name, make in policies(tests, total, rng).items():
            policy = make()
            shown = np.zeros((2, 15))
            bounds = np.round(np.linspace(0, total, 101)).astype(int)
            for done, after in pairwise(bounds):
                given = policy(ReplayState(tests, shown, np.floor(shown / 9), int(done), total, int(after - done), rng))
                assert (given >= 0).all(), name
                assert np.add.reduceat(given, tests.starts, axis=-1) == pytest.approx(after - done), name
                shown = shown + given


def test_uniform_captures_nothing_and_the_oracle_all(rng):
    tests = _tests(rng)
    assert capture(tests, replay(tests, uniform, 3000, rng)) == pytest.approx(0, abs=1e-9)
    oracle = ArchiveTests(tests.rate, tests.rate, tests.starts)
    assert capture(tests, replay(oracle, text_only, 3000, rng)) == pytest.approx(1)


def test_a_test_then_a_commitment(rng):
    tests = ArchiveTests(np.array([0.9, 0.1]), np.zeros(2), np.array([0]))
    earned = replay(tests, Commit(0.2), 10_000, rng)
    # A fifth at the mean of both, the rest at the better: 0.2 * 0.5 + 0.8 * 0.9.
    assert earned == pytest.approx([0.82], abs=1e-9)


def test_divergence_of_coins():
    assert bernoulli_kl(np.array(0.5), np.array(0.25)) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(0.5 / 0.75))


def test_prior_is_found(rng):
    prior = learn_prior(_tests(rng, 20_000, known=0.5))
    assert prior.level == pytest.approx(-3, abs=0.02)
    assert prior.level_variance == pytest.approx(0.09, rel=0.05)
    assert prior.trust == pytest.approx(2, rel=0.01)
    assert prior.spread == pytest.approx(0, abs=1e-3)


def test_beta_prior_has_the_moments_of_the_rates(rng):
    tests = _tests(rng)
    prior = beta_prior(tests)
    mean = prior.successes / (prior.successes + prior.failures)
    assert mean == pytest.approx(tests.rate.mean())
    variance = mean * (1 - mean) / (prior.successes + prior.failures + 1)
    assert variance == pytest.approx(tests.rate.var())


def test_ours_distrusts_a_text_model_that_is_noise(rng):
    noise, news = _tests(rng, 400, known=0.0, noise=1.0), _tests(rng, 400, known=1.0, noise=1.0)
    assert learn_prior(noise).trust < 0.1
    assert learn_prior(news).trust == pytest.approx(0.5, abs=0.1)
    # What noise says costs next to nothing, against the same policy without a text model.
    judged = _tests(rng, 400, known=0.0, noise=1.0)
    earned = {}
    for name, learned in (("noise", noise), ("none", ArchiveTests(noise.rate, 0 * noise.rate, noise.starts))):
        prior = learn_prior(learned)
        exploration = learn_exploration(prior, learned, 2000, rng)
        earned[name] = capture(judged, replay(judged, TextAndHorizon(prior, exploration), 2000, rng))
    assert earned["noise"] > earned["none"] - 0.05
    assert earned["noise"] > capture(judged, replay(judged, text_only, 2000, rng)) + 0.1


def test_ours_is_ahead_where_text_says_something(rng):
    learned, judged = _tests(rng, 300, noise=1.0), _tests(rng, 300, noise=1.0)
    made = policies(learned, 2000, rng)
    earned = {name: replay(judged, make(), 2000, rng) for name, make in made.items()}
    found = captures(judged, earned, [OURS, NO_END], rng)
    assert found["margin"]["low"] > 0
    assert found["capture"][OURS]["mean"] == pytest.approx(capture(judged, earned[OURS]))
    assert found["margin"]["mean"] == pytest.approx(
        found["capture"][OURS]["mean"] - found["capture"][found["margin"]["over"]]["mean"]
    )


def test_an_early_test_goes_on_until_evidence_stands_and_then_keeps_its_winner(rng):
    clear = ArchiveTests(np.array([0.5, 0.1, 0.1]), np.zeros(3), np.array([0]))
    earned = replay(clear, EarlyTest(), 10_000, rng)
    assert 0.45 < earned[0] < 0.5
    alike = ArchiveTests(np.array([0.1, 0.1]), np.zeros(2), np.array([0]))
    policy = EarlyTest()
    replay(alike, policy, 2000, rng, repetitions=100)
    assert policy._called is not None
    assert (policy._called.sum(1) > 0).mean() < 0.12


def test_who_does_not_know_the_end_explores_at_the_end_too():
    tests = ArchiveTests(np.array([0.1, 0.1]), np.array([0.2, -0.2]), np.array([0]))
    prior = learn_prior(_tests(np.random.default_rng(0), 200, noise=1.0))
    state = ReplayState(tests, np.zeros((50, 2)), np.zeros((50, 2)), 990, 1000, 10, np.random.default_rng(1))
    others = [TextAndHorizon(prior, 1.0, knows_end)(state)[:, 1].sum() for knows_end in (True, False)]
    assert others[0] == 0 < others[1]
