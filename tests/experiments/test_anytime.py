"""Evidence from counts so far: worked by hand, held against published figures, and watched at every look."""

import numpy as np
import pytest
from copybandit.experiments.analysis.statistics.anytime import (
    e_discoveries,
    lift_bounds,
    log_e_mismatch,
    log_e_value,
    p_value,
    times_more,
)

LEVEL = np.log(20)


def test_one_click_by_hand():
    """One click says nothing of equal shares: the mixture has its mean there. The second of an arm does: with weight
    w = 1 / (.09 * .25) on both arms together, (w / 2 + 1) / (w + 1) over a half.
    """
    weight = 1 / (0.09 * 0.25)
    assert log_e_value(1, 0, 0.5) == pytest.approx(0)
    assert log_e_value(2, 0, 0.5) == pytest.approx(np.log((weight / 2 + 1) / (weight + 1) / 0.5))
    assert log_e_value([[2]], [0, 0], 0.5, [0.0, np.log(3)])[0, 1] == pytest.approx(
        np.log((weight / 2 + 1) / (weight + 1) / 2 / 0.75**2)
    )


def test_a_ratio_is_another_share():
    """Twice the rate at a share of a third sends half of the clicks, as the other way round."""
    assert log_e_value(30, 30, 1 / 3, np.log(2)) < log_e_value(30, 30, 1 / 3)
    low, high = lift_bounds(300, 300, 1 / 3)
    assert low < 1 < high
    low_back, high_back = lift_bounds(300, 300, 2 / 3)
    assert (1 + low) * (1 + high_back) == pytest.approx(1) and (1 + high) * (1 + low_back) == pytest.approx(1)


def test_bounds_are_the_ratios_that_are_not_rejected():
    low, high = lift_bounds([60, 700], [45, 650], [0.5, 0.4], level=0.1)
    for lift in (low, high):
        evidence = log_e_value([60, 700], [45, 650], [0.5, 0.4], np.log(1 + lift))
        assert evidence == pytest.approx(np.log(10), abs=1e-6)


def test_where_nobody_clicked_there_is_no_bound():
    low, high = lift_bounds([0, 5, 0], [7, 0, 0], 0.5)
    assert low.tolist()[::2] == [-1, -1] and low[1] > -1
    assert high[0] < 1 and np.isinf(high[1:]).all()


@pytest.mark.parametrize("ratio", [1.0, 1.3])
def test_watched_at_every_look_the_truth_is_rarely_excluded(rng, ratio):
    """While the rates of both go up and down together, and impressions are dealt one by one."""
    day = 0.02 * (1 + np.sin(np.arange(80)) / 2)
    dealt = rng.binomial(1000, 0.4, (1000, 80))
    clicks, others = rng.binomial(dealt, day * ratio).cumsum(1), rng.binomial(1000 - dealt, day).cumsum(1)
    excluded = (log_e_value(clicks, others, 0.4, np.log(ratio)) >= LEVEL).any(1)
    assert excluded.mean() <= 0.05
    low, high = lift_bounds(clicks[:, ::20], others[:, ::20], 0.4)
    assert ((low > ratio - 1) | (high < ratio - 1)).any(1).mean() <= 0.05


@pytest.mark.parametrize("rate", [0.002, 0.1, 0.5])
def test_by_the_shares_that_came_about_false_alarms_are_as_rare(rng, rate):
    """Lifts are then those of the rates: equal rates have none, whatever chance there was in dealing."""
    dealt = rng.binomial(1000, 0.3, (1000, 80))
    clicks, others = rng.binomial(dealt, rate).cumsum(1), rng.binomial(1000 - dealt, rate).cumsum(1)
    share = dealt.cumsum(1) / (1000 * np.arange(1, 81))
    assert (log_e_value(clicks, others, share) >= LEVEL).any(1).mean() <= 0.05
    assert log_e_value(45, 55, 0.45) < 0


def test_how_many_times_more_is_where_the_evidence_suffices():
    clicks, others, shares = np.array([60.0, 60.0]), np.array([45.0, 50.0]), np.array([0.5, 0.5])
    times = times_more(clicks, others, shares, LEVEL)
    assert times is not None and times > 1
    assert log_e_value(times * clicks, times * others, shares).min() == pytest.approx(LEVEL, rel=0.01)
    assert times_more(np.array([500.0]), np.array([300.0]), np.array([0.5]), LEVEL) == 1
    assert times_more(np.array([60.0]), np.array([60.0]), np.array([0.5]), LEVEL) is None
    assert times_more(np.array([0.0]), np.array([0.0]), np.array([0.5]), LEVEL) is None


def test_published_mismatches_are_seen():
    """Kohavi, Tang and Xu, "Trustworthy online controlled experiments" (2020), chapter 3: 821,588 and 815,482 users of
    equal shares have p = 1.8e-6 by a test looked at once; what holds at every look says less, and sees it too.
    """
    assert 1.8e-6 < p_value(log_e_mismatch([821_588, 815_482], [1, 1])) < 0.001
    assert p_value(log_e_mismatch([8_216, 8_155], [1, 1])) == 1
    assert log_e_mismatch([2000, 1000], [2, 1]) < 0
    assert log_e_mismatch([2000, 1000], [1, 1]) > np.log(1000)


def test_mismatch_keeps_its_level_at_every_look(rng):
    shown = rng.multinomial(500, [0.5, 0.3, 0.2], (300, 60)).cumsum(1)
    evidence = np.array([[log_e_mismatch(now, [5, 3, 2]) for now in test] for test in shown])
    assert (evidence.max(1) >= np.log(100)).mean() <= 0.01


def test_discoveries_by_e_values_by_hand():
    """Of four at 5%: the largest needs 80, two of them 40 each, three 26.7, four 20 (Wang and Ramdas, 2022)."""
    assert e_discoveries(np.log([41, 1, 40.5, 26])).tolist() == [True, False, True, False]
    assert e_discoveries(np.log([27, 1, 79, 27])).tolist() == [True, False, True, True]
    assert not e_discoveries(np.log([79, 1, 2, 3])).any()


def test_false_discoveries_are_held_down(rng):
    """Of 60 arms 40 are alike: the share of those among discoveries, on average."""
    false = []
    for _ in range(300):
        rates = np.where(np.arange(60) < 40, 300, 420)
        found = e_discoveries(log_e_value(rng.poisson(rates), rng.poisson(300, 60), 0.5), 0.1)
        false.append(found[:40].sum() / max(found.sum(), 1))
    assert np.mean(false) <= 0.1
