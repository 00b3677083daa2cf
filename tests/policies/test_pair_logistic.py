import numpy as np
import pytest
from copybandit.policies.headlines.pair_logistic import MOST, fit_pairs
from scipy.sparse import csr_matrix
from scipy.special import expit


def test_the_weight_is_where_evidence_and_prior_balance():
    # One feature that only the first text of each pair has; it is ahead in three of four, once by far.
    table = csr_matrix(np.array([[1.0], [0.0]]))
    z = np.array([1.0, 2.0, 9.0, -1.0])
    first, second = np.zeros(4, int), np.ones(4, int)
    (found,) = fit_pairs(table, first, second, z, variance=0.5)
    # Gradient of sum |z| log sigma(+-w) - w^2 / (2 * 0.5), |z| cut at MOST.
    gradient = (1 + 2 + MOST) * expit(-found) - 1 * expit(found) - found / 0.5
    assert gradient == pytest.approx(0, abs=1e-2)
    assert found > 0


def test_which_text_of_a_pair_comes_first_is_all_the_same(rng):
    table = csr_matrix(rng.normal(size=(30, 4)))
    first, second = np.arange(15), np.arange(15, 30)
    z = rng.normal(size=15)
    one = fit_pairs(table, first, second, z, 1.0)
    other = fit_pairs(table, second, first, -z, 1.0)
    assert one == pytest.approx(other, abs=2e-2)


def test_a_pair_or_none_says_nothing():
    table = csr_matrix(np.eye(2))
    assert fit_pairs(table, np.array([0]), np.array([1]), np.array([3.0]), 1.0) == pytest.approx([0, 0])
