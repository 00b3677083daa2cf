import numpy as np
import pytest
from copybandit.experiments.analysis.statistics.sequential import (
    call_winner,
    confidence_sequence,
    discoveries,
    log_e_process,
    power,
    sample_ratio_mismatch,
    sample_size,
    two_proportions,
)
from copybandit.simulation.data.errors import InputError


def test_the_second_look_by_hand():
    # After the first look the common rate is (1 + .5) / (4 + 1) = .3; arms are shrunk to it by ten clicks' worth.
    qa, qb = 0.3 * 11 / (2 * 0.3 + 10), 0.3 * 10 / (2 * 0.3 + 10)
    middle = (qa + qb) / 2
    second = qa / middle * (1 - qb) / (1 - middle)
    assert log_e_process([1, 1], [2, 1], [0, 0], [2, 1]) == pytest.approx([0, np.log(second)])


def test_a_difference_close_to_zero_is_as_good_as_none(rng):
    counts = [rng.binomial(50, 0.2, 10), np.full(10, 50), rng.binomial(20, 0.3, 10), np.full(10, 20)]
    assert log_e_process(*counts, 1e-12) == pytest.approx(log_e_process(*counts), abs=1e-6)


@pytest.mark.parametrize("rate", [0.02, 0.4])
@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_watched_at_every_step_the_truth_is_rarely_excluded(rng, rate, shift):
    a, b = rng.random((1000, 400)) < rate, rng.random((1000, 400)) < rate + shift
    excluded = log_e_process(a, np.ones_like(a, float), b, np.ones_like(b, float), shift).max(1) >= np.log(20)
    assert excluded.mean() <= 0.05


def test_batches_of_unequal_size_keep_the_level(rng):
    shown_a, shown_b = rng.integers(0, 30, (2, 1000, 100))
    evidence = log_e_process(rng.binomial(shown_a, 0.1), shown_a, rng.binomial(shown_b, 0.1), shown_b)
    assert (evidence.max(1) >= np.log(20)).mean() <= 0.05


def test_bounds_tighten_and_hold_the_difference(rng):
    shown = np.full(100, 1000)
    low, high = confidence_sequence(rng.binomial(shown, 0.1), shown, rng.binomial(shown, 0.13), shown)
    assert (np.diff(low) >= 0).all() and (np.diff(high) <= 0).all()
    assert low[-1] < 0.03 < high[-1] and high[-1] - low[-1] < 0.02


def test_bounds_exclude_zero_when_a_winner_is_called(rng):
    shown = np.full((100, 2), 1000)
    clicks = rng.binomial(shown, [0.1, 0.13])
    call = call_winner(clicks, shown)
    low, _ = confidence_sequence(clicks[:, 0], shown[:, 0], clicks[:, 1], shown[:, 1])
    assert call.winner == 1 and call.look is not None and call.impressions == 2000 * (call.look + 1)
    # The grid of the bounds is coarse: they may need a look more.
    assert (low > 0).argmax() - call.look in (0, 1, 2)
    assert call.sentence(["A", "B"]) == f"B could be called the winner after {call.impressions:,} impressions"


def test_arms_alike_are_not_called(rng):
    shown = np.full((50, 3), 100)
    call = call_winner(rng.binomial(shown, 0.1), shown)
    assert call.winner is None
    assert call.sentence(["A", "B", "C"]) == "no winner can be called after 15,000 impressions"


def test_the_best_of_three_is_called(rng):
    shown = np.full((100, 3), 1000)
    assert call_winner(rng.binomial(shown, [0.1, 0.2, 0.15]), shown).winner == 1


def test_bad_counts_are_refused():
    with pytest.raises(InputError, match=r"look 1, arm 0: 3 clicks of 2 impressions"):
        call_winner([[1, 1], [3, 1]], [[2, 2], [2, 2]])
    with pytest.raises(InputError, match="two arms or more"):
        call_winner([[1], [1]], [[2], [2]])


def test_sample_size_of_the_textbook():
    assert sample_size(0.5, 0.6) == 388
    assert power(0.5, 0.6, 388) == pytest.approx(0.8, abs=0.002)
    with pytest.raises(InputError, match="two different ones"):
        sample_size(0.1, 0.1)


def test_two_proportions_by_hand():
    # 20 of 100 against 10 of 100: pooled .15, z = .1 / sqrt(.15 * .85 * .02) = 1.980.
    assert two_proportions([20], [100], 10, 100) == pytest.approx([0.0477], abs=1e-4)


def test_discoveries_of_benjamini_and_hochberg():
    # Thresholds .0125, .025, .0375, .05: .03 fails its own and stands with .035, which passes.
    assert discoveries([0.03, 0.001, 0.9, 0.035]).tolist() == [True, True, False, True]


def test_sample_ratio_by_hand():
    # 100^2 / 5100 twice: chi-square 3.92 with one degree of freedom.
    assert sample_ratio_mismatch([5000, 5200]) == pytest.approx(0.0477, abs=1e-4)
    assert sample_ratio_mismatch([2000, 1000], [2, 1]) == 1.0
    with pytest.raises(InputError, match="two arms or more"):
        sample_ratio_mismatch([10])
