"""Off-policy estimators, worked by hand; their agreement with another library is in test_parity."""

import numpy as np
import pytest
from copybandit.experiments.analysis.off_policy import estimators, plackett_luce, slate_estimators
from copybandit.experiments.analysis.off_policy.reward_model import fit_rates
from copybandit.experiments.analysis.statistics.moments import Moments

# Two decisions: weights 2 and 0.5; rewards 1 and 0; the model says .5 and .2 of them, .4 and .1 of the policy.
REWARD, WEIGHT = np.array([1.0, 0.0]), np.array([2.0, 0.5])
PREDICTED, EXPECTED = np.array([0.5, 0.2]), np.array([0.4, 0.1])
ALL = (REWARD, WEIGHT, PREDICTED, EXPECTED)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        (estimators.ips(REWARD, WEIGHT), (2 * 1) / 2),
        (estimators.clipped_ips(REWARD, WEIGHT, 1.5), 1.5 / 2),
        (estimators.snips(REWARD, WEIGHT), 2 / 2.5),
        (estimators.dm(EXPECTED), 0.25),
        (estimators.dr(*ALL), 0.25 + (2 * 0.5 + 0.5 * -0.2) / 2),
        (estimators.switch_dr(*ALL, 1.0), 0.25 + 0.5 * -0.2 / 2),
        (estimators.dros(*ALL, 2.0), 0.25 + (4 / 6 * 0.5 + 1 / 2.25 * -0.2) / 2),
        (estimators.dros(*ALL, np.inf), 0.25 + (2 * 0.5 + 0.5 * -0.2) / 2),
        (estimators.dros(*ALL, 0.0), 0.25),
        (estimators.targeted_dm(*ALL), 0.25 + (2 * 0.5 + 0.5 * -0.2) / 2.5),
        (estimators.replayed_reward(REWARD, np.array([1.0, 1.0])), 0.5),
        (estimators.replayed_reward(REWARD, np.array([1.0, 0.0])), 1.0),
    ],
)
def test_means_by_hand(values, mean):
    assert values.shape == (2,) and values.mean() == pytest.approx(mean)


def test_the_spread_of_snips_is_that_of_its_influence_function():
    # value .8; influence w / 1.25 (r - .8): 1.6 * .2 and .4 * -.8.
    assert estimators.snips(REWARD, WEIGHT) == pytest.approx([0.8 + 0.32, 0.8 - 0.32])


def test_targeting_makes_any_model_right_on_average(rng):
    reward, weight = (rng.random(500) < 0.3).astype(float), rng.exponential(size=500)
    for wrong in (0.0, 0.7):
        model = np.full(500, wrong)
        assert estimators.targeted_dm(reward, weight, model, model).mean() == pytest.approx(
            estimators.snips(reward, weight).mean()
        )


def test_weights_that_are_all_zero():
    with pytest.raises(ValueError, match="never does what the log holds"):
        estimators.snips(REWARD, np.zeros(2))


def test_effective_sample_size():
    assert estimators.effective_sample_size(Moments.of(np.ones(7))) == pytest.approx(7)
    assert estimators.effective_sample_size(Moments.of(np.array([2.0, 0.5]))) == pytest.approx(2.5**2 / 4.25)
    assert estimators.effective_sample_size(Moments.of(np.zeros((3, 2)))) == 0


def test_acceptance_is_in_proportion_to_the_weights(rng):
    kept = estimators.accepted(np.tile([4.0, 1.0, 0.0], 20_000), rng).reshape(-1, 3).mean(0)
    assert kept == pytest.approx([1.0, 0.25, 0.0], abs=0.01)


def test_slope_keeps_to_what_agrees():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=1000)
    # Deviation 1 / p, and a bias that shows only at 8: narrower than the others, and away from them.
    values = [noise / p + (1.0 if p == 8 else 0.0) for p in (1.0, 2.0, 4.0, 8.0)]
    assert estimators.slope(Moments.of(np.stack(values, axis=1))) == 2


def test_thresholds_end_where_weights_average():
    assert estimators.thresholds(6.0) == [6.0, 3.0, 1.5]
    assert estimators.thresholds(0.5) == [0.5]


# One slate of two slots: rewards 0 and 1, conditional weights 2 and 3.
SLATE, CHAIN = np.array([[0.0, 1.0]]), np.array([[2.0, 3.0]])


def test_slates_by_hand():
    assert slate_estimators.iips(SLATE, CHAIN).sum() == 3
    assert slate_estimators.rips(SLATE, CHAIN).sum() == 6
    q, v = np.array([[0.5, 0.25]]), np.array([[0.4, 0.2]])
    # Slot 1: 2 (0 - .5) + 1 * .4; slot 2: 6 (1 - .25) + 2 * .2.
    assert slate_estimators.cascade_dr(SLATE, CHAIN, q, v).ravel() == pytest.approx([-0.6, 4.9])
    # A single slate normalises to itself.
    assert slate_estimators.self_normalised_rips(SLATE, CHAIN).sum() == pytest.approx(1)
    assert slate_estimators.self_normalised_cascade_dr(SLATE, CHAIN, q, v).sum() == pytest.approx(-0.1 + 0.95)


def test_cascade_dr_does_not_depend_on_the_model_on_average(rng):
    # Uniform slates of 2 of 3 creatives; the policy prefers creative 2. Worth: creative k earns k / 4 in any slot.
    n = 200_000
    even, own = np.ones((n, 3)), np.tile([1.0, 1.0, 4.0], (n, 1))
    slates = plackett_luce.draw_slates(even, 2, rng)
    reward = (rng.random((n, 2)) < slates / 4).astype(float)
    above = [plackett_luce.given_above(p, slates) for p in (own, even)]
    chain = np.divide(*(np.take_along_axis(p, slates[:, :, None], 2)[..., 0] for p in above))
    truth = (plackett_luce.in_slot(own[:1], 2)[0] * np.arange(3) / 4).sum()
    for table in (np.zeros(3), np.array([0.5, 0.1, 0.9])):
        expected = (above[0] * table).sum(2)
        found = slate_estimators.cascade_dr(reward, chain, table[slates], expected).sum(1).mean()
        assert found == pytest.approx(truth, abs=0.01)


def test_plackett_luce_draws_what_it_says(rng):
    preference = np.array([[1.0, 2.0, 3.0, 4.0]])
    slates = plackett_luce.draw_slates(np.repeat(preference, 100_000, 0), 3, rng)
    table = plackett_luce.in_slot(preference, 3)[0]
    assert table.sum(1) == pytest.approx([1, 1, 1])
    for slot in range(3):
        assert np.bincount(slates[:, slot], minlength=4) / 100_000 == pytest.approx(table[slot], abs=0.01)
    given = plackett_luce.given_above(preference, np.array([[3, 0, 1]]))[0]
    assert given == pytest.approx(np.array([[0.1, 0.2, 0.3, 0.4], [1 / 6, 2 / 6, 3 / 6, 0], [0, 0.4, 0.6, 0]]))
    with pytest.raises(ValueError, match="4 slots"):
        plackett_luce.in_slot(preference, 4)


def test_rates_leave_a_row_out_of_its_own_prediction():
    context, creative = np.zeros(4, int), np.array([[0], [0], [1], [1]])
    reward = np.array([[1.0], [1.0], [0.0], [0.0]])
    model = fit_rates(context, creative, reward, 2, np.random.default_rng(0))
    for row in range(4):
        others = model.fold != model.fold[row]
        slot = reward[others].mean()
        prior = 5 / max(slot, 1e-6)
        own = others & (creative[:, 0] == creative[row, 0])
        alone = (reward[own].sum() + prior * slot) / (own.sum() + prior)
        assert model.of(creative)[row, 0] == pytest.approx((reward[own].sum() + prior * alone) / (own.sum() + prior))
