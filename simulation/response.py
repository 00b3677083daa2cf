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


def scale_for_gain(utility: Tensor, group: Tensor, target: float, k: int = 5) -> float:
    """The factor on text utilities at which the best of k texts of a group earns `target` more than their average.

    Worth is exp(scale * utility), which is what a logit is at low rates. Found by bisection; 0 if no text differs.

    Args:
        utility: [m, U] utility of each text for each user.
        group: [m] the product of each text; groups of one are left out, and if all are, all texts are one group.
        target: the mean gain over groups, such as 0.15.
        k: texts among which the best is chosen.
    """
    group = group.cpu()
    groups = [members for g in group.unique() if len(members := (group == g).nonzero().squeeze(1)) > 1]
    groups = groups or [torch.arange(len(group))]

    def gain(scale: float) -> float:
        worth = (scale * utility).exp().mean(1).cpu()
        return float(torch.stack([best_of_gain(worth[texts], k) for texts in groups]).mean())

    if target <= 0 or gain(1.0) < 1e-6:
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


def fatigue(exposure: Tensor, strength: float) -> Tensor:
    """Loss of click logit after seeing a creative before: strength * e / (1 + e), saturating at `strength`."""
    return strength * exposure / (1 + exposure)


def click_logit(base: Tensor, relevance: Tensor, text: Tensor, worn: Tensor) -> Tensor:
    """Log-odds of a click on an examined slot: base + product relevance + text - fatigue; shapes broadcast."""
    return base + relevance + text - worn


def convert_logit(base: float, affinity: Tensor, price: Tensor, text: Tensor) -> Tensor:
    """Log-odds of a conversion given the click: base + affinity - price + honesty of the text; shapes broadcast."""
    return base + affinity - price + text


def first_showing(slates: Tensor) -> Tensor:
    """Which slots of [B, L] slates show what no slot above them shows, [B, L] bool."""
    same = slates[:, :, None] == slates[:, None, :]
    return ~same.tril(-1).any(2)


def top_slots(score: Tensor, slots: int) -> Tensor:
    """The `slots` best of each row, best first: [B, K] -> [B, slots]. Optimal when slots are ordered by examination
    and slots do not influence each other (PBM).
    """
    return torch.topk(score, slots, dim=1).indices
