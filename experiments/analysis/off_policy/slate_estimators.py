"""Off-policy evaluation of slates: L slots filled from the top, each with a reward of its own.

Arrays are [n, L]. `chain` is pi_e / pi_b of each slot's creative given the slots above; its running product down the
slate is the weight of all that was seen by then. Like `estimators`, functions return what averages, after a sum over
slots, to the estimate, with the spread of the influence function, and take means over all decisions as `over`.
"""

import numpy as np

from ..statistics.bootstrap import Array
from .estimators import Over, ips, snips


def iips(reward: Array, weight: Array) -> Array:
    """Independent IPS (Li et al., "Offline evaluation of ranking policies with click models", KDD 2018).

    `weight` is that of a creative in its slot, whatever stands above: a slot's reward depends on its creative alone.
    """
    return ips(reward, weight)


def rips(reward: Array, chain: Array) -> Array:
    """Reward-interaction IPS (McInerney et al., KDD 2020): a slot's reward may depend on the slots above."""
    return ips(reward, down(chain))


def self_normalised_iips(reward: Array, weight: Array, over: Over | None = None) -> Array:
    """IIPS with the weights of each slot divided by their mean."""
    return snips(reward, weight, over)


def self_normalised_rips(reward: Array, chain: Array, over: Over | None = None) -> Array:
    """RIPS with the weights of each slot divided by their mean."""
    return snips(reward, down(chain), over)


def cascade_dr(reward: Array, chain: Array, predicted: Array, expected: Array) -> Array:
    """Cascade-DR (Kiyohara et al., "Doubly robust off-policy evaluation for ranking policies", WSDM 2022).

    sum_l w_{1:l} (r_l - q_l) + w_{1:l-1} v_l, unbiased whatever q is; the smaller the variance the better it is.

    Args:
        reward: [n, L].
        chain: [n, L].
        predicted: [n, L] q_l: what the model says of the logged creative in slot l, later slots included.
        expected: [n, L] v_l: the same, averaged over what the policy would put there below the logged slots above.
    """
    weight = down(chain)
    return weight * (reward - predicted) + above(weight) * expected


def self_normalised_cascade_dr(
    reward: Array, chain: Array, predicted: Array, expected: Array, over: tuple[Over, Over] | None = None
) -> Array:
    """Cascade-DR with both weights of each slot divided by their means."""
    weight = down(chain)
    missed, below = over or (None, None)
    return snips(reward - predicted, weight, missed) + snips(expected, above(weight), below)


def down(chain: Array) -> Array:
    """[n, L] weights of the slots down to each."""
    return np.multiply.accumulate(chain, axis=1)


def above(weight: Array) -> Array:
    """[n, L] weights of the slots above each; 1 for the top."""
    return np.concatenate([np.ones_like(weight[:, :1]), weight[:, :-1]], axis=1)
