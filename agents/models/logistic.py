"""Logistic model: a Bayesian logistic regression for every arm by Laplace's approximation.

Chapelle and Li ("An empirical evaluation of Thompson sampling", NIPS 2011, algorithm 3) with the full precision matrix
instead of its diagonal. A batch's likelihood is replaced by the quadratic that touches it at the new mode, found by
Newton's method: a weighted row of a linear model, which can be discounted and taken back like any other.
"""

import torch
from torch import Tensor

from .linear import DisjointLinear, grams
from .posterior import Prior

NEWTON_STEPS = 4
LEAST_WEIGHT = 1e-3
"""Of a trial's curvature p (1 - p): keeps the working response finite."""


def working_rows(logit: Tensor, trials: Tensor, rewards: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and weighted working responses of the quadratic at `logit`, [N] each (McCullagh and Nelder, 1989, 2.5).

    Args:
        logit: [N] where the log-likelihood is expanded.
        trials: [N] share of a trial.
        rewards: [N] successes, at most `trials` each in expectation.
    """
    p = torch.sigmoid(logit)
    weight = trials * (p * (1 - p)).clamp(min=LEAST_WEIGHT)
    return weight, weight * logit + rewards - trials * p


class LogisticLinear(DisjointLinear):
    """Beliefs about the log-odds of a reward; rewards are divided by the largest there is."""

    def __init__(self, arms: int, width: int, device: torch.device, largest: float = 1.0, ridge: float = 1.0) -> None:
        """As `DisjointLinear`; `largest` is the largest reward of a trial."""
        self.largest = largest
        super().__init__(arms, width, device, ridge)

    def worth(self, mean: Tensor) -> Tensor:
        """See `Model.worth`."""
        return mean.sigmoid() * self.largest

    def prior(self, worth: Tensor, trials: float) -> Prior:
        """See `Model.prior`: log-odds on the constant; a trial at rate p weighs p (1 - p), as in the likelihood."""
        rate = (worth / self.largest).clamp(1e-4, 1 - 1e-4)
        return Prior(rate.logit(), trials * rate * (1 - rate) + self.ridge)

    def prepare(self, contexts: Tensor, arms: Tensor, trials: Tensor, rewards: Tensor) -> tuple[Tensor, ...]:
        """See `Model.prepare`: linear rows that stand for these at the mode they lead to."""
        self._catch_up()
        mean, wins = self.mean, rewards / self.largest
        gram, response, prior, strength = self._learned.values()
        weight, working = trials, wins
        for _ in range(NEWTON_STEPS):
            # Far steps of Newton's method from an empty start would leave the range where odds can be told apart.
            logit = (contexts * mean[arms]).sum(1).clamp(-8, 8)
            weight, working = working_rows(logit, trials, wins)
            added = torch.zeros_like(response).index_add_(0, arms, (working[:, None] * contexts).double())
            _, mean = self._solve(gram + grams(contexts, arms, weight, self.arms), response + added, prior, strength)
            mean = mean.float()
        return contexts, arms, weight, working
