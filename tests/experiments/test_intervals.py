import numpy as np
import pytest
from copybandit.experiments.analysis.off_policy.evaluation import (
    METHODS,
    Evidence,
    answers,
    interval_of,
    overlap_warning,
)
from copybandit.experiments.analysis.statistics.intervals import (
    bootstrap_t,
    degrees_of_freedom,
    empirical_bernstein,
    skew_corrected,
)
from scipy.stats import t as student


def test_symmetric_values_have_the_normal_interval():
    values = np.tile([-1.0, 1.0], 50)
    half = 1.959964 * values.std(ddof=1) / 10
    assert skew_corrected(values[:, None])[0] == pytest.approx([-half, half], rel=1e-5)


def test_skewness_moves_the_interval_by_hand():
    # One success in 100: a = skewness / 10, and Hall's transform of +-1.96 by hand.
    values = np.r_[1.0, np.zeros(99)]
    deviation = values.std(ddof=1)
    a = ((values - 0.01) ** 3).mean() / deviation**3 / 10
    kurtosis = ((values - 0.01) ** 4).mean() / deviation**4
    z = student.ppf(0.975, 200 / (kurtosis - 1))
    low, high = (0.01 - deviation / 10 * 3 / a * (np.cbrt(1 + a * (q - a / 6)) - 1) for q in (z, -z))
    assert skew_corrected(values[:, None])[0] == pytest.approx([low, high])
    assert high - 0.01 > 0.01 - low


def test_heavy_tails_leave_few_degrees_of_freedom(rng):
    # A fair coin's variance is sure; that of normal values has n - 1 degrees; one hit in n, kurtosis n, has about two.
    scaled = np.stack([np.tile([-1.0, 1.0], 5000), rng.standard_normal(10_000), np.zeros(10_000)], axis=1)
    scaled[0, 2] = 100.0
    found = degrees_of_freedom(scaled)
    assert found[0] > 1e9
    assert found[1] == pytest.approx(10_000, rel=0.05)
    assert found[2] == pytest.approx(2, rel=0.01)


def test_intervals_of_constant_values():
    assert skew_corrected(np.ones((5, 1)))[0] == pytest.approx([1, 1])
    assert bootstrap_t(np.ones((5, 1)), np.random.default_rng(0))[0] == pytest.approx([1, 1])


def test_bootstrap_agrees_with_the_correction(rng):
    values = rng.exponential(size=(2000, 2)) * [1.0, 3.0]
    assert bootstrap_t(values, rng, resamples=4000) == pytest.approx(skew_corrected(values), abs=0.01)


def test_empirical_bernstein_by_hand():
    values = np.array([[0.0], [1.0], [0.0], [1.0]])
    evidence = np.log(80)
    half = np.sqrt(2 * (1 / 3) * evidence / 4) + 7 * evidence / 9
    zero, one = np.zeros(1), np.ones(1)
    assert empirical_bernstein(values, (zero, one))[0] == pytest.approx([0.5 - half, 0.5 + half])
    with pytest.raises(ValueError, match="out of bounds"):
        empirical_bernstein(values, (zero, one / 2))


def evidence(weight, reward=None, slots=1):
    n = len(weight)
    reward = np.tile([1.0, 0.0], n)[:n] if reward is None else reward
    columns = {name: np.full((n, slots), 0.5) for name in ("predicted", "expected", "expected_below")}
    wide = np.repeat(np.asarray(weight, float)[:, None], slots, 1)
    return Evidence(np.repeat(reward[:, None], slots, 1), wide, wide, **columns)


@pytest.mark.parametrize("method", list(METHODS))
def test_weights_of_one_give_the_mean_of_the_log(rng, method):
    found = answers(evidence(np.ones(400)), rng, method)
    assert set(found) == {"dm", "ips", "clipped-ips", "snips", "dr", "switch-dr", "dros", "replay"}
    for name, answer in found.items():
        assert answer.interval["mean"] == pytest.approx(0.5), name
        assert answer.interval["low"] < 0.5 < answer.interval["high"]
        assert (answer.ess, answer.max_weight) == (pytest.approx(400), 1.0)


def test_slates_have_estimators_of_their_own(rng):
    found = answers(evidence(np.ones(400), slots=2), rng)
    assert {"rips", "sn-rips", "cascade-dr", "sn-cascade-dr"} < set(found) and "replay" not in found
    assert found["cascade-dr"].interval["mean"] == pytest.approx(1.0)


def test_poor_overlap_is_said():
    def warning(weight):
        return overlap_warning(np.asarray(weight, float)[:, None])

    assert warning(np.ones(400)) is None
    assert "weights average 0.50 in slot 0, not 1" in warning(np.full(400, 0.5))
    assert "400 decisions are worth 40 of the policy's own" in warning(np.tile([10.0] + [0.0] * 9, 40))
    one = np.r_[150.0, np.ones(2000)]
    assert warning(one / one.mean()) == "poor overlap: one decision has 7% of all weight"


def test_the_interval_of_one_mean():
    assert interval_of(np.tile([0.0, 1.0], 50))["mean"] == 0.5
