"""Which of two texts wins, by a logistic regression on the difference of their features.

Bradley and Terry's model ("Rank analysis of incomplete block designs", Biometrika 1952) with features: the log-odds
that text a beats text b is (x_a - x_b)' w. A pair counts as much as its test could tell, |z| of the difference of its
rates, up to `MOST`: a few tests with a runaway winner would outweigh all others.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from ...simulation.archive.contrasts import Array

MOST = 4.0
"""Largest |z| that still adds weight."""


def fit_pairs(table: csr_matrix, first: NDArray, second: NDArray, z: Array, variance: float) -> Array:
    """Weights of features, [features].

    Args:
        table: [n, features], sparse.
        first: [m] row of one text of each pair.
        second: [m] row of the other.
        z: [m] how far the first was ahead of the second, in standard errors; not 0.
        variance: prior variance of a weight.
    """
    if len(z) < 2:
        return np.zeros(table.shape[1])
    # Without an intercept it is all the same which text of a pair comes first: it takes turns to be the winner.
    wins = np.arange(len(z)) % 2 == 1
    ahead = np.where((z > 0) == wins, 1.0, -1.0)
    rows = csr_matrix((table[first] - table[second]).multiply(ahead[:, None]))
    model = LogisticRegression(C=variance, fit_intercept=False, max_iter=300, tol=1e-3)
    return model.fit(rows, wins, np.minimum(np.abs(z), MOST)).coef_[0]
