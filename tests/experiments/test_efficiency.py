"""The price of a gain in nats, by hand."""

import numpy as np
import pytest
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.run import Run
from copybandit.experiments.study.shop import shop_study
from copybandit.experiments.writing.efficiency import TEXTS, best_of_n, efficiency, untuned_choices
from copybandit.experiments.writing.options import TuneOptions
from copybandit.experiments.writing.tuning import frozen_reward
from copybandit.policies.reward.select import choice_kl
from copybandit.policies.writer.writer import own_weights


def test_best_of_n_by_hand():
    """Golds 1, 2, 6 in the order of reward: of two, the best is 2 once and 6 twice in three draws."""
    reward, gold = np.array([[0.3, 0.1, 0.2]]), np.array([[6.0, 1.0, 2.0]])
    assert best_of_n(reward, gold, 1) == pytest.approx(3.0)
    assert best_of_n(reward, gold, 2) == pytest.approx((2 + 6 + 6) / 3)
    assert best_of_n(reward, gold, 3) == pytest.approx(6.0)


def test_best_of_n_is_the_mean_over_prompts():
    reward = np.array([[0.0, 1.0], [1.0, 0.0]])
    gold = np.array([[2.0, 4.0], [3.0, 9.0]])
    assert best_of_n(reward, gold, 2) == pytest.approx((4 + 3) / 2)


def test_efficiency_by_hand():
    """The best of three is worth twice the mean: who gains as much for as many nats has an efficiency of 1."""
    reward, gold = np.array([[0.3, 0.1, 0.2]]), np.array([[6.0, 1.0, 2.0]])
    assert efficiency(1.0, choice_kl(3), reward, gold) == pytest.approx(1.0)
    assert efficiency(0.5, choice_kl(3), reward, gold) == pytest.approx(0.5)
    between = (choice_kl(2) + choice_kl(3)) / 2
    possible = ((14 / 9 - 1) + 1.0) / 2
    assert efficiency(0.4, between, reward, gold) == pytest.approx(0.4 / possible)


def test_efficiency_is_not_known_beyond_what_was_sampled():
    reward, gold = np.array([[0.0, 1.0]]), np.array([[1.0, 2.0]])
    assert efficiency(0.3, choice_kl(2) + 0.1, reward, gold) is None
    assert efficiency(0.3, 0.0, reward, gold) is None
    assert efficiency(0.3, choice_kl(2), reward, gold[:, ::-1].copy()) is None


@pytest.mark.slow
def test_the_untuned_writer_answers_as_many_prompts_as_are_asked_for(tmp_path, tiny_file):
    small = {"users": 40, "log_impressions": 3000, "effect.steps": 5, "model": "built-in", "writer.width": 32}
    small |= {"writer.vocabulary": 400, "writer.max_new_tokens": 8, "scenario": str(tiny_file), "out": tmp_path / "run"}
    options = configured(TuneOptions(), **small)
    study = shop_study(options, Run("tune", options))
    reward, start = frozen_reward(study, options), own_weights(study.writer)
    rewards, gold = untuned_choices(study, start, reward, 10.0, prompts=3, seed=0)
    assert rewards.shape == gold.shape == (3, TEXTS)
