import numpy as np
import pytest
from copybandit.experiments.analysis.off_policy.evaluation import METHODS, answers, interval_of
from copybandit.experiments.analysis.off_policy.weighted_log import WeightedLog
from copybandit.experiments.analysis.off_policy.weights import overlap_warning
from copybandit.experiments.analysis.statistics.intervals import (
    bootstrap_t,
    clopper_pearson,
    degrees_of_freedom,
    empirical_bernstein,
    proportion,
    skew_corrected,
    weighted_events,
    worth_of_events,
)
from copybandit.experiments.analysis.statistics.moments import Moments
from scipy.stats import chi2
from scipy.stats import t as student


def test_symmetric_values_have_the_normal_interval():
    values = np.tile([-1.0, 1.0], 50)
    half = 1.959964 * values.std(ddof=1) / 10
    assert skew_corrected(Moments.of(values[:, None]))[0] == pytest.approx([-half, half], rel=1e-5)


def test_skewness_moves_the_interval_by_hand():
    # One success in 100: a = skewness / 10, and Hall's transform of +-1.96 by hand.
    values = np.r_[1.0, np.zeros(99)]
    deviation = values.std(ddof=1)
    a = ((values - 0.01) ** 3).mean() / deviation**3 / 10
    kurtosis = ((values - 0.01) ** 4).mean() / deviation**4
    z = student.ppf(0.975, 200 / (kurtosis - 1))
    low, high = (0.01 - deviation / 10 * 3 / a * (np.cbrt(1 + a * (q - a / 6)) - 1) for q in (z, -z))
    assert skew_corrected(Moments.of(values[:, None]))[0] == pytest.approx([low, high])
    assert high - 0.01 > 0.01 - low


def test_heavy_tails_leave_few_degrees_of_freedom(rng):
    # A fair coin's variance is sure; that of normal values has n - 1 degrees; one hit in n, kurtosis n, has about two.
    scaled = np.stack([np.tile([-1.0, 1.0], 5000), rng.standard_normal(10_000), np.zeros(10_000)], axis=1)
    scaled[0, 2] = 100.0
    found = degrees_of_freedom(Moments.of(scaled))
    assert found[0] > 1e9
    assert found[1] == pytest.approx(10_000, rel=0.05)
    assert found[2] == pytest.approx(2, rel=0.01)


def test_intervals_of_constant_values():
    assert skew_corrected(Moments.of(np.ones((5, 1))))[0] == pytest.approx([1, 1])
    assert bootstrap_t([np.ones((5, 1))], Moments.of(np.ones((5, 1))), np.random.default_rng(0))[0] == pytest.approx(
        [1, 1]
    )


def test_bootstrap_agrees_with_the_correction(rng):
    values = rng.exponential(size=(2000, 2)) * [1.0, 3.0]
    moments = Moments.of(values)
    for blocks in ([values], np.split(values, 4)):
        assert bootstrap_t(blocks, moments, rng, resamples=4000) == pytest.approx(skew_corrected(moments), abs=0.01)


def test_empirical_bernstein_by_hand():
    values = Moments.of(np.array([[0.0], [1.0], [0.0], [1.0]]))
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
    return [WeightedLog(np.repeat(reward[:, None], slots, 1), wide, wide, **columns)]


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
        return overlap_warning(Moments.of(np.asarray(weight, float)[:, None]))

    assert warning(np.ones(400)) is None
    assert "weights average 0.50 in slot 1, not 1" in warning(np.full(400, 0.5))
    assert "400 decisions are worth 40 of the policy's own" in warning(np.tile([10.0] + [0.0] * 9, 40))
    one = np.r_[150.0, np.ones(2000)]
    assert warning(one / one.mean()) == "poor overlap: one decision has 7% of all weight"


def test_the_interval_of_one_mean():
    assert interval_of([np.tile([0.0, 1.0], 50)[:, None]])["mean"] == 0.5


def test_few_events_by_hand():
    # Of a Poisson count with weights of one: Garwood's exact bounds, half the quantiles of chi-square (2 k, 2 k + 2).
    assert weighted_events(0, 0, 1.0, 500) == pytest.approx((0, -np.log(0.025) / 500))
    bounds = [chi2.ppf(0.025, 4) / 2 / 28, chi2.ppf(0.975, 6) / 2 / 28]
    assert weighted_events(2, 2, 1.0, 28) == pytest.approx(bounds)
    # Events of weight 3 are as many events of weight 1, three times as much.
    assert weighted_events(6, 18, 3.0, 28) == pytest.approx([3 * bound for bound in bounds])
    assert worth_of_events(4, 8, 2.0) == pytest.approx(16 / 12)


def test_the_exact_interval_of_a_proportion():
    # Clopper and Pearson: none of 10 leaves 1 - .025^(1/10); 2 of 10 is .0252 to .5561 in any table.
    assert clopper_pearson(0, 10) == pytest.approx((0, 1 - 0.025**0.1))
    assert clopper_pearson(2, 10) == pytest.approx((0.0252, 0.5561), abs=1e-4)
    assert clopper_pearson(10, 10) == pytest.approx((0.025**0.1, 1))


def test_shares_of_clusters():
    # Five clusters alike are five trials, however large they are; one says next to nothing; none says nothing.
    assert proportion(np.tile([0.0, 30.0], (5, 1)))["high"] == pytest.approx(1 - 0.025**0.2)
    assert proportion(np.tile([30.0, 30.0], (5, 1)))["low"] == pytest.approx(0.025**0.2)
    one = proportion(np.array([[6.0, 12.0]]))
    assert one["mean"] == 0.5 and one["low"] < 0.05 and one["high"] > 0.95
    assert all(np.isnan(value) for value in proportion(np.zeros((0, 2))).values())


def test_a_rate_is_never_below_zero_nor_above_what_can_be_earned(rng):
    few = np.zeros(28)
    few[:2] = 1
    for method in METHODS:
        for answer in answers(evidence(np.ones(28), few), rng, method).values():
            assert 0 <= answer.interval["low"] < answer.interval["mean"] < answer.interval["high"] <= 1
        for answer in answers(evidence(np.ones(500), np.zeros(500)), rng, method).values():
            assert answer.interval["low"] == 0 < 0.005 < answer.interval["high"] < 1
        for answer in answers(evidence(np.ones(3), np.ones(3)), rng, method).values():
            assert answer.interval["low"] < 0.5 and answer.interval["high"] == 1
    assert interval_of([np.zeros((500, 1))], 11.0)["high"] == pytest.approx(-11 * np.log(0.025) / 500)


@pytest.mark.slow
@pytest.mark.parametrize("clicks", [1, 10])
@pytest.mark.parametrize("lean", [0.0, 4.0])
@pytest.mark.parametrize("better", [-2.0, 2.0])
def test_intervals_of_few_weighted_clicks_hold_the_truth(rng, clicks, lean, better):
    """Eight creatives logged evenly; the policy leans to the last ones, which are better, alike or worse."""
    arm, held = np.arange(8), []
    policy, rate = np.exp(lean * arm / 8), clicks / 400 * np.exp(better * arm / 8)
    policy /= policy.sum()
    for _ in range(200):
        shown = rng.integers(0, 8, 400)
        weight = 8 * policy[shown]
        reward = (rng.random(400) < rate[shown]).astype(float)
        found = answers(evidence(weight, reward), rng)["ips"].interval
        held.append(found["low"] <= policy @ rate <= found["high"])
    # 200 logs: coverage of 95% has a standard deviation of 1.5 points; it may be higher.
    assert np.mean(held) > 0.92


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("clusters", [5, 60])
def test_intervals_of_shares_hold_the_truth(rng, share, clusters):
    """Hits of a cluster are alike: its own share is drawn from a beta distribution around the whole's."""
    held = []
    for _ in range(400):
        trials = rng.integers(1, 12, clusters).astype(float)
        hits = rng.binomial(trials.astype(int), rng.beta(6 * share, 6 * (1 - share), clusters)).astype(float)
        found = proportion(np.stack([hits, trials], axis=1))
        held.append(found["low"] <= share <= found["high"])
    assert np.mean(held) > 0.92
