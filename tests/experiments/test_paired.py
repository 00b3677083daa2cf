import numpy as np
import pytest
from copybandit.experiments.analysis.statistics.paired import chance_of_best, holm, paired_differences, t_interval


def test_t_interval_by_hand():
    # mean 2, standard deviation 1, n 3: half width 4.3027 / sqrt(3)
    found = t_interval(np.array([1.0, 2.0, 3.0]))
    assert found == {"mean": 2.0, "low": pytest.approx(2 - 2.4841, abs=1e-4), "high": pytest.approx(4.4841, abs=1e-4)}


def test_one_value_says_nothing_of_others():
    found = t_interval(np.array([2.0]))
    assert found["mean"] == 2 and np.isnan([found["low"], found["high"]]).all()


def test_holm_by_hand():
    # sorted .01 .02 .04: times 3, 2, 1 -> .03 .04 .04
    assert holm(np.array([0.04, 0.01, 0.02])) == pytest.approx([0.04, 0.03, 0.04])
    # .03 * 1 may not fall below .025 * 2
    assert holm(np.array([0.025, 0.03])) == pytest.approx([0.05, 0.05])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1, 1])


def test_holm_keeps_its_level_where_plain_tests_do_not(rng):
    """Five agents alike, five seeds: how often is any of the ten pairs called different?"""
    plain, corrected = [], []
    for _ in range(400):
        pairs = paired_differences(rng.normal(size=(5, 5)), list("abcde"))
        plain.append((pairs["p"] < 0.05).any())
        corrected.append((pairs["p_holm"] < 0.05).any())
    assert np.mean(corrected) < 0.08 < np.mean(plain)


def test_pairs_are_paired():
    """Seeds differ by far more than agents do, and the difference is the same on each."""
    seeds = np.array([0.0, 10.0, 20.0, 30.0])
    noise = np.array([0.01, -0.01, 0.01, -0.01])
    pairs = paired_differences(np.stack([seeds, seeds + 1 + noise]), ["low", "high"])
    row = pairs.iloc[0]
    assert (row["better"], row["worse"]) == ("high", "low")
    assert row["low"] > 0.9 and row["high"] < 1.1 and row["p_holm"] < 0.001


def test_chance_of_best_agrees_with_the_paired_test(rng):
    values = np.array([[1.0, 2.0, 3.0, 2.5], [1.2, 1.9, 3.4, 2.6]])
    p = paired_differences(values, ["a", "b"])["p"][0]
    assert chance_of_best(values, rng, draws=200_000)[1] == pytest.approx(1 - p / 2, abs=0.005)


def test_chance_of_best_shares_ties(rng):
    assert chance_of_best(np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 1.0]]), rng) == pytest.approx([0.5, 0.5, 0.0])
