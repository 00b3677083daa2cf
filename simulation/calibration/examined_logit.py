"""Maximum a posteriori of clicks that need a look first: P(click) = exp(look) * sigmoid(x' theta).

A position model (PBM) with a logistic regression inside, as in Chuklin, Markov and de Rijke, Click Models for Web
Search (2015), chapter 3, but with both parts fitted at once by Fisher scoring, and with a Gaussian prior that shrinks
what the data say little about. The inverse of the information is the covariance (Laplace's approximation).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix

Array = NDArray[np.float64]
CEILING = 0.999
"""Most that P(click) may be while fitting."""


@dataclass(frozen=True)
class Fit:
    """Estimates and their covariance."""

    estimate: Array
    """[E + D]: log-probabilities of a look, then the logistic part."""
    covariance: Array
    """[E + D, E + D]."""

    def contrast(self, weights: Array) -> tuple[Array, Array]:
        """Estimates and standard errors of [m, E + D] linear combinations."""
        return weights @ self.estimate, np.sqrt(np.einsum("ij,jk,ik->i", weights, self.covariance, weights))


def fit_examined_logit(
    looks: csr_matrix,
    features: csr_matrix,
    clicks: Array,
    prior_mean: Array,
    prior_sd: Array,
    *,
    trials: Array | None = None,
    start: Array | None = None,
    iterations: int = 50,
    tolerance: float = 1e-6,
) -> Fit:
    """Fits by Fisher scoring with step halving.

    Args:
        looks: [n, E] design of the log-probability of a look; rows of zeros are looked at for sure.
        features: [n, D] design of the log-odds of a click given a look.
        clicks: [n] clicks; fractions are allowed.
        prior_mean: [E + D].
        prior_sd: [E + D]; infinite for no prior.
        trials: [n] impressions that the clicks are of; one each by default.
        start: [E + D] where to begin; the prior's mean by default.
        iterations: most steps.
        tolerance: step, in standard deviations of the posterior, that ends it.
    """
    trials = np.ones(len(clicks)) if trials is None else trials
    precision = 1 / np.square(prior_sd)
    theta = (prior_mean if start is None else start).copy()
    split = looks.shape[1]

    def rates(theta: Array) -> tuple[Array, Array]:
        inner = 1 / (1 + np.exp(-(features @ theta[split:])))
        return inner, np.clip(np.exp(looks @ theta[:split]) * inner, 1e-12, CEILING)

    def objective(theta: Array) -> float:
        rate = rates(theta)[1]
        fit = clicks @ np.log(rate) + (trials - clicks) @ np.log1p(-rate)
        return float(fit - 0.5 * precision @ np.square(theta - prior_mean))

    value, information = objective(theta), np.eye(len(theta))
    for _ in range(iterations):
        inner, rate = rates(theta)
        # d log rate / d theta = [looks, (1 - inner) features].
        residual = (clicks - trials * rate) / (1 - rate)
        weight = trials * rate / (1 - rate)
        slopes = features.multiply((1 - inner)[:, None]).tocsr()
        score = np.concatenate([looks.T @ residual, slopes.T @ residual]) - precision * (theta - prior_mean)
        cross = (looks.T @ slopes.multiply(weight[:, None])).toarray()
        information = np.block(
            [
                [(looks.T @ looks.multiply(weight[:, None])).toarray(), cross],
                [cross.T, (slopes.T @ slopes.multiply(weight[:, None])).toarray()],
            ]
        )
        information[np.diag_indices_from(information)] += precision + 1e-9
        step = cho_solve(cho_factor(information), score)
        size = 1.0
        while (tried := objective(theta + size * step)) < value - 1e-9 and size > 1e-4:
            size /= 2
        theta, value = theta + size * step, tried
        if np.max(np.abs(step) * np.sqrt(np.diag(information))) < tolerance**0.5:
            break
    return Fit(theta, cho_solve(cho_factor(information), np.eye(len(theta))))
