"""Propensities where the rule has no closed form: by quadrature, or by drawing."""

import math

import torch
from torch import Tensor

from .agent import Estimate
from .models.posterior import Posterior
from .rules import Rule, with_floor
from .traffic.slate import Layout


def best_of_normals(mean: Tensor, deviation: Tensor, item: Tensor, opened: Tensor | None, points: int = 256) -> Tensor:
    """P(item has the largest of K independent normals) = int phi_i(s) prod_{j != i} Phi_j(s) ds, by the trapezoid rule.

    Substituting s = m_i + d_i z puts the grid where the item's own density is; the integrand is smooth and vanishes at
    both ends, where the rule converges faster than any power of the step.

    Args:
        mean: [B, K].
        deviation: [B, K], positive.
        item: [B] which.
        opened: [B, K] bool, who takes part; None for all.
        points: of the grid over +-8 deviations.
    """
    z = torch.linspace(-8, 8, points, dtype=torch.float64, device=mean.device)
    mean, deviation = mean.double(), deviation.double().clamp(min=1e-12)
    mine, spread = mean.gather(1, item[:, None]), deviation.gather(1, item[:, None])
    log_below = torch.zeros(len(mean), points, dtype=torch.float64, device=mean.device)
    for j in range(mean.shape[1]):
        log_phi = torch.special.log_ndtr((mine + spread * z - mean[:, j, None]) / deviation[:, j, None])
        absent = item == j if opened is None else (item == j) | ~opened[:, j]
        log_below += torch.where(absent[:, None], 0.0, log_phi)
    density = torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return (density * log_below.exp()).sum(1) * (z[1] - z[0])


def _by_drawing(
    rule: Rule, belief: Posterior, opened: Tensor | None, item: Tensor, draws: int
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator(belief.mean.device).manual_seed(0)
    hits = torch.zeros(len(item), device=belief.mean.device)
    for _ in range(draws):
        hits += rule.pick(belief, opened, generator)[0] == item
    # Laplace's rule keeps what was chosen from a propensity of zero.
    share = (hits + 1) / (draws + 2)
    return share, (share * (1 - share) / draws).sqrt()


def estimate(
    rule: Rule,
    belief: Posterior,
    layout: Layout,
    candidates: Tensor,
    slates: Tensor,
    floor: float,
    draws: int,
    opened: Tensor | None = None,
) -> Estimate:
    """Propensities of [B, L] slates given the slots above; see `Bandit.estimate_propensities`."""
    position = torch.full((int(candidates.max()) + 1,), -1, device=candidates.device)
    position[candidates] = torch.arange(len(candidates), device=candidates.device)
    items = position[slates]
    quadrature = belief.independent_normal and hasattr(rule, "scale")
    chances, errors = [], []
    for slot in range(slates.shape[1]):
        item = items[:, slot]
        if rule.exact:
            chance = rule.distribution(belief, opened).gather(1, item[:, None]).squeeze(1)
            error = torch.zeros_like(chance)
        elif quadrature:
            deviation = belief.deviation * getattr(rule, "scale", 1.0)
            chance = best_of_normals(belief.mean, deviation, item, opened)
            error = (chance - best_of_normals(belief.mean, deviation, item, opened, 128)).abs()
        else:
            chance, error = _by_drawing(rule, belief, opened, item, draws)
        if floor:
            share = _floored(chance, belief.mean.shape[1] if opened is None else opened.sum(1), floor)
            chance = share
        chances.append(chance)
        errors.append(error)
        opened = layout.close(opened, items[:, : slot + 1], candidates, belief.mean.shape)
    method = "exact" if rule.exact else "quadrature" if quadrature else "monte carlo"
    return Estimate(torch.stack(chances, 1).float(), torch.stack(errors, 1).float(), method)


def _floored(chance: Tensor, n: Tensor | int, floor: float) -> Tensor:
    """What `with_floor` makes of one candidate's probability among n open."""
    n = torch.as_tensor(n, device=chance.device)
    share = (n * floor).clamp(max=1)
    return (1 - share) * chance + share / n


def chances(
    rule: Rule,
    belief: Posterior,
    opened: Tensor | None,
    floor: float,
    generator: torch.Generator,
    draws: int,
) -> Tensor:
    """[B, K] probability of every candidate for one slot: exact where the rule has a closed form, else the share of
    `draws` picks, which is unbiased.
    """
    if rule.exact:
        chance = rule.distribution(belief, opened)
    else:
        chance = torch.zeros_like(belief.mean)
        one = torch.ones(len(chance), 1, dtype=chance.dtype, device=chance.device)
        for _ in range(draws):
            chance = chance.scatter_add(1, rule.pick(belief, opened, generator)[0][:, None], one)
        chance = chance / draws
    return with_floor(chance, opened, floor) if floor else chance
