"""The response of users to slates, as pure functions of tensors."""

import math

import torch
from torch import Tensor


def best_of_gain(worth: Tensor, k: int = 5) -> Tensor:
    """How much more the best of k alternatives is worth than their average, in expectation over draws of k.

    The j-th smallest of m is the best of k drawn without replacement with probability C(j-1, k-1) / C(m, k).

    Args:
        worth: [m] positive worths (clicks an impression, say) of m >= k alternatives.
        k: how many are drawn.

    Returns:
        A scalar, E[max] / E[mean] - 1.
    """
    m = len(worth)
    k = min(k, m)
    chance = worth.new_tensor([math.comb(j, k - 1) / math.comb(m, k) for j in range(m)])
    return (worth.sort().values * chance).sum() / worth.mean() - 1


def scale_for_gain(utility: Tensor, group: Tensor, target: float, k: int = 5, beside: Tensor | None = None) -> float:
    """The factor on text utilities at which the best of k texts of a group earns `target` more than their average.

    Worth is exp(scale * utility + beside), which is what a logit is at low rates. Found by bisection; 0 if no utility
    differs, or what stands beside it earns that much already.

    Args:
        utility: [m, U] utility of each text for each user.
        group: [m] the product of each text; groups of one are left out, and if all are, all texts are one group.
        target: the mean gain over groups, such as 0.15.
        k: texts among which the best is chosen.
        beside: [m] log-odds of each text on a scale of their own; none by default.
    """
    fixed = utility.new_zeros(len(utility), 1) if beside is None else beside[:, None]
    group = group.cpu()
    groups = [members for g in group.unique() if len(members := (group == g).nonzero().squeeze(1)) > 1]
    groups = groups or [torch.arange(len(group))]

    def gain(scale: float) -> float:
        worth = (scale * utility + fixed).exp().mean(1).cpu()
        return float(torch.stack([best_of_gain(worth[texts], k) for texts in groups]).mean())

    alone = gain(0.0)
    if alone >= target or abs(gain(1.0) - alone) < 1e-6:
        return 0.0
    low, high = 0.0, 8.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if gain(middle) < target else (low, middle)
    return (low + high) / 2


def intercept_for_rate(logits: Tensor, weights: Tensor, target: float) -> float:
    """The b at which the weighted mean of sigmoid(b + logits) is `target`; by bisection."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        rate = (weights * torch.sigmoid(middle + logits)).sum() / weights.sum()
        low, high = (middle, high) if rate < target else (low, middle)
    return (low + high) / 2


def attributed(delay_hours: float, window_hours: float | None) -> float:
    """Share of conversions with exponential delay that come inside the attribution window: 1 - exp(-w / d)."""
    return 1.0 if window_hours is None or delay_hours == 0 else -math.expm1(-window_hours / delay_hours)
