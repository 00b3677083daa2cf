"""Off-policy evaluation: what a policy would have earned on a log of another, one decision at a time.

Notation of every function: `reward` is what a logged action earned, `weight` the importance weight of that action,
pi_e(a | x) / pi_b(a | x), `predicted` a reward model's word on the logged action, q(x, a), and `expected` its word on
the policy, sum_a pi_e(a | x) q(x, a). Arrays are [n], or [n, L] for the L slots of a slate under the item-position
model: the weight is then that of a creative in its slot, whatever stands above, and the sum over slots is the slate's.

Every function returns an array of the same shape whose mean over the n decisions is the estimate and whose spread is
that of the estimator's influence function, so that one interval fits all (see `intervals`). Where that takes a mean
over all decisions and the arrays are one block of many, the mean is given as `over`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from ..statistics.bootstrap import Array
from ..statistics.moments import Moments


@dataclass(frozen=True)
class Over:
    """Means over all decisions that weights are normalised by, by slot."""

    weight: Array
    """Mean of w."""
    earned: Array
    """Mean of w r, or of what stands in the place of r."""

    @property
    def value(self) -> Array:
        """The self-normalised estimate, sum w r / sum w.

        Raises:
            ValueError: all weights of a slot are zero.
        """
        if np.any(self.weight <= 0):
            raise ValueError("all weights are zero: the policy never does what the log holds")
        return self.earned / self.weight


def ips(reward: Array, weight: Array) -> Array:
    """Inverse propensity scoring (Horvitz and Thompson, 1952): w r."""
    return weight * reward


def clipped_ips(reward: Array, weight: Array, most: float) -> Array:
    """IPS with weights cut at `most` (Ionides, "Truncated importance sampling", 2008): min(w, most) r."""
    return np.minimum(weight, most) * reward


def snips(reward: Array, weight: Array, over: Over | None = None) -> Array:
    """Self-normalised IPS (Swaminathan and Joachims, NeurIPS 2015): sum w r / sum w over decisions, slot by slot.

    Raises:
        ValueError: all weights of a slot are zero.
    """
    over = over or Over(weight.mean(0), (weight * reward).mean(0))
    return over.value + weight / over.weight * (reward - over.value)


def dr(reward: Array, weight: Array, predicted: Array, expected: Array) -> Array:
    """Doubly robust (Dudik, Langford and Li, ICML 2011): expected + w (r - predicted)."""
    return expected + weight * (reward - predicted)


def switch_dr(reward: Array, weight: Array, predicted: Array, expected: Array, most: float) -> Array:
    """Switch-DR (Wang, Agarwal and Dudik, ICML 2017): DR where w <= most, the model alone elsewhere."""
    return expected + np.where(weight <= most, weight, 0.0) * (reward - predicted)


def dros(reward: Array, weight: Array, predicted: Array, expected: Array, strength: float) -> Array:
    """DR with optimistic shrinkage (Su, Dimakopoulou, Krishnamurthy and Dudik, ICML 2020): see `shrunk`."""
    return expected + shrunk(weight, strength) * (reward - predicted)


def shrunk(weight: Array, strength: float) -> Array:
    """Weights under optimistic shrinkage, s w / (w^2 + s): at strength 0 none is left, at infinity all."""
    return weight if np.isinf(strength) else strength * weight / np.maximum(weight**2 + strength, 1e-300)


def dm(expected: Array) -> Array:
    """Direct method: the reward model's word on the policy, taken as it is; as biased as the model."""
    return expected


def targeted_dm(reward: Array, weight: Array, predicted: Array, expected: Array, over: Over | None = None) -> Array:
    """Direct method with a targeted model: q shifted, slot by slot, to be right on average where the policy goes.

    The shift is sum w (r - q) / sum w, the linear fluctuation of targeted learning (van der Laan and Rubin, "Targeted
    maximum likelihood learning", 2006): the plug-in is then consistent where the weights are right, whatever the model.

    Raises:
        ValueError: all weights of a slot are zero.
    """
    return expected + snips(reward - predicted, weight, over)


def accepted(weight: Array, rng: np.random.Generator, most: float | None = None) -> Array:
    """Rejection sampling for replay: each decision is kept with probability w / max w; [n] zeros and ones.

    With a uniform log and a deterministic policy that keeps where both agree (Li, Chu, Langford and Wang, WSDM 2011).
    """
    most = float(weight.max()) if most is None else most
    return (rng.random(weight.shape) * most < weight).astype(np.float64)


def replayed_reward(reward: Array, kept: Array, over: Over | None = None) -> Array:
    """Replay (Li et al., 2011): the mean reward of the decisions that are kept, [n] zeros and ones.

    Raises:
        ValueError: none is kept.
    """
    return snips(reward, kept, over)


def effective_sample_size(weight: Moments) -> float:
    """(sum w)^2 / sum w^2 (Kish, 1965): so many decisions of the policy itself would be as informative; the least
    over slots.
    """
    total, square = weight.n * weight.mean, weight.square + weight.n * weight.mean**2
    return float(np.min(np.divide(total**2, square, out=np.zeros_like(square), where=square > 0)))


def slope(estimates: Moments, confidence: float = 0.9) -> int:
    """Which of several estimates to take, where a parameter trades bias for variance (Su, Srinath and Krishnamurthy,
    ICML 2020).

    From the widest interval to the narrowest, goes on while the estimate agrees with all before it:
    |v_i - v_j| <= c_i + (sqrt(6) - 1) c_j, the constant of Tucker and Lee ("Improved estimator selection", 2021).

    Args:
        estimates: of the values of each; their mean (of sums over slots) is the estimate.
        confidence: of the one-sided Student intervals that are compared.
    """
    n, means = estimates.n, estimates.mean
    widths = student(n - 1).ppf(confidence) * estimates.deviation() / np.sqrt(n - 1)
    order = np.argsort(widths, kind="stable")[::-1]
    best = order[0]
    for i, candidate in enumerate(order):
        before = order[:i]
        gap = np.abs(means[before] - means[candidate])
        if np.any(gap > widths[candidate] + (np.sqrt(6) - 1) * widths[before]):
            break
        best = candidate
    return int(best)


def thresholds(most: float, steps: int = 8) -> list[float]:
    """Candidates for clipping and switching: the largest weight, where nothing is cut, and halves of it down to 1, what
    weights average.
    """
    return [most, *(cut for step in range(1, steps) if (cut := most * 2.0**-step) >= 1)]
