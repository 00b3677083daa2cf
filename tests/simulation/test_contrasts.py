import numpy as np
import pandas as pd
import pytest
from copybandit.simulation.archive.contrasts import agreement, centre, effects, pairs, thin


def test_effect_is_one_scoring_step_from_the_pooled_rate():
    # Pooled: (10 + 49 + 1) / (540 + 600 + 60) = 0.05; weight = trials * 0.05 * 0.95.
    effect, weight = effects(np.array([540.0, 600.0]), np.array([10.0, 49.0]), np.array([0, 0]))
    assert weight == pytest.approx([25.65, 28.5])
    assert effect == pytest.approx([(10 - 27) / 25.65, (49 - 30) / 28.5])


def test_effect_exists_without_a_success():
    effect, weight = effects(np.array([100.0, 100.0]), np.zeros(2), np.array([0, 0]))
    assert np.isfinite(effect).all()
    assert (weight > 0).all()


def test_centre_takes_the_weighted_mean_of_each_group():
    got = centre(np.array([1.0, 4.0, 7.0]), np.array([2.0, 1.0, 5.0]), np.array([0, 0, 1]))
    assert got == pytest.approx([-1.0, 2.0, 0.0])


def test_pairs_stay_within_groups_and_ties_are_left_out():
    first, second, z = pairs(np.full(5, 100.0), np.array([10.0, 20, 10, 30, 40]), np.array([0, 0, 0, 1, 1]))
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (1, 2), (3, 4)]
    # 10 of 100 against 20 of 100: -0.1 / sqrt(0.15 * 0.85 * 0.02).
    assert z[first.tolist().index(0)] == pytest.approx(-1.98030, abs=1e-5)


def test_pairs_do_not_need_groups_in_order():
    first, second, _ = pairs(np.full(4, 100.0), np.array([1.0, 2, 3, 4]), np.array([1, 0, 1, 0]))
    assert {frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)} == {
        frozenset({0, 2}),
        frozenset({1, 3}),
    }


def _arms(rng: np.random.Generator, truth: np.ndarray, group: np.ndarray) -> pd.DataFrame:
    shown = np.full(len(truth), 20_000)
    rate = 1 / (1 + np.exp(4 - truth - rng.normal(0, 0.5, group.max() + 1)[group]))
    return pd.DataFrame({"group": group, "impressions": shown, "clicks": rng.binomial(shown, rate)})


def test_agreement_finds_the_truth_calibrated_and_sees_through_noise(rng):
    group = np.repeat(np.arange(500), 4)
    truth = rng.normal(0, 0.3, len(group))
    found = agreement(_arms(rng, truth, group), truth)
    assert found.slope == pytest.approx(1.0, abs=0.05)
    assert found.explained == pytest.approx(1.0, abs=0.08)
    assert found.true_deviation == pytest.approx(0.3, abs=0.02)
    assert found.accuracy_significant > 0.97 > found.accuracy > 0.8


def test_agreement_of_boasting_half_right_and_idle_predictions(rng):
    group = np.repeat(np.arange(500), 4)
    truth = rng.normal(0, 0.3, len(group))
    arms = _arms(rng, truth, group)
    assert agreement(arms, 2 * truth).slope == pytest.approx(0.5, abs=0.03)
    half = agreement(arms, truth + rng.normal(0, 0.3, len(group)))
    assert half.explained == pytest.approx(0.5, abs=0.06)
    level = agreement(arms, group.astype(float))
    assert (level.slope, level.explained) == pytest.approx((0.0, 0.0), abs=1e-3)


def test_thinning_keeps_whole_stories(rng):
    arms = pd.DataFrame({"story": np.repeat(np.arange(10, 30), 3), "group": np.repeat(np.arange(20), 3)})
    assert thin(arms, 60, rng) is arms
    few = thin(arms, 10, rng)
    assert len(few) == 9
    assert few.groupby("story").size().tolist() == [3, 3, 3]
    assert sorted(few.group.unique()) == [0, 1, 2]
