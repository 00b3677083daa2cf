"""The effect model with differential privacy for users: learned by DP-SGD from sums in which nobody can be seen.

At every step each user's gradient, of all rows that are his, is cut to a norm; the cut gradients are added up, and so
much Gaussian noise is added that with or without any one user the sum looks the same (Abadi et al., CCS 2016, with
every user in every batch). All else that the fit does is told by these sums and by what is public:

- how texts are read (vocabularies, scales, directions) is learned from the catalog's ads, not from rows;
- base rates are a noisy sum too; places are learned by the same steps; no creatives are held out to stop early;
- steps are scaled, and weights shrunk, by what the ads and the noise let expect, not by what came.

Members are linear, so that a user's gradient is a sum of features, weighted by what surprised the model.
"""

import math
import secrets
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from ...simulation.data.catalog import Catalog
from ...simulation.user_log import UserLog
from ..pictures.columns import PictureTable
from .accountant import Budget
from .design import Design
from .features import Description, Reads, Words
from .model import VALIDATORS, EffectConfig, EffectModel

STEPS = 10
"""Noisy sums a member."""
RATE, SETTLED = 0.5, 4
"""Share of a full step that is taken; steps after which weights are averaged."""
MEMBERS = VALIDATORS
"""Fewer than without privacy: each spends."""
RELEASES = 1 + STEPS * len(MEMBERS)
"""Noisy sums of one fit: base rates, then the steps of each member."""
CAPS = (0.2, 0.05)
"""Clicks and conversions a row beyond which a user's do not count in the base rates."""
CONVERSION = 2.0
"""Weight of the gradient of conversions, of which there are few, beside that of clicks when both are cut together."""
AT_ONCE = 1024
"""Users whose gradients are held at the same time."""


def secret_noise() -> torch.Generator:
    """A generator that no seed of a run repeats: who could draw the noise again could take it off."""
    return torch.Generator().manual_seed(secrets.randbits(63))


def fit_private_effect_model(
    log: UserLog,
    catalog: Catalog,
    config: EffectConfig,
    budget: Budget,
    *,
    noise: torch.Generator,
    reads: Reads | None = None,
    pictures: PictureTable | None = None,
    seed: int = 0,
    progress: Callable[[int], None] = lambda n: None,
) -> EffectModel:
    """Fits a small ensemble to a log; it makes `RELEASES` releases of those that the budget counts.

    Args:
        log: its names are public, its rows are not.
        catalog: of the log's products.
        config: strength of the ridges; steps are the module's own.
        budget: where users are cut, and how much noise is added.
        noise: draws it; `secret_noise()` unless figures are to be repeated.
        reads: says how texts read; None where nobody does.
        pictures: those that texts stand beside; None where there are none.
        seed: member i reads words by seed + i.
        progress: called after each member with 1.
    """
    description = Description(catalog, log.creatives, reads, pictures)
    model = EffectModel(catalog, log.segments, log.channels, description)
    texts, described = [creative.text for creative in log.creatives], description(log.creatives)
    rates = noisy_rates(log, budget, noise)
    for i, (kind, _) in enumerate(MEMBERS):
        model.words[kind] = Words(kind, texts, seed=seed + i)
        features = torch.cat([model.words[kind](texts), described], dim=1)
        design = Design.of(features, log.creatives, log.segments, len(log.channels) * log.slots, catalog, config)
        model.kinds.append(kind)
        model.heads.append(design.heads(_descended(design, log, rates, budget, noise)))
        progress(1)
    return model


def noisy_rates(log: UserLog, budget: Budget, noise: torch.Generator) -> Tensor:
    """[2] CTR and CVR, from the mean over users of their own, up to `CAPS`; one release."""
    rows = torch.bincount(log.user, minlength=log.users).clamp(min=1)
    won = [torch.zeros(log.users).index_add(0, log.user, part) for part in (log.clicks, log.conversions)]
    caps = torch.tensor(CAPS)
    shares = (torch.stack(won, dim=1) / rows[:, None] / caps).clamp(max=1)
    # Two shares of at most 1: nobody moves the sum by more than sqrt(2).
    spread = budget.noise_multiplier * math.sqrt(2)
    total = shares.sum(0) + spread * torch.randn(2, generator=noise)
    a_row = (total / max(log.users, 1)).clamp(0.002, 1) * caps
    return torch.stack([a_row[0], (a_row[1] / a_row[0])]).clamp(1e-3, 0.5)


def _descended(design: Design, log: UserLog, rates: Tensor, budget: Budget, noise: torch.Generator) -> Tensor:
    """[2, K] weights of both heads after `STEPS` noisy steps, averaged over those after `SETTLED`."""
    start = weights = design.start(rates)
    trials = len(log) * torch.stack([rates[0] * (1 - rates[0]), rates.prod()])
    curvature = trials[:, None] * design.moments
    # What a user is cut to is spread over clicks and, less what they weigh, conversions.
    spread = budget.noise_multiplier * budget.clip / design.scale / torch.tensor([[1.0], [CONVERSION]])
    ridge = design.ridge * (1 + spread.square() / STEPS / curvature)
    averaged, settled = torch.zeros_like(weights), min(SETTLED, STEPS - 1)
    for step in range(STEPS):
        total = sum(cut(each, budget.clip).sum(0) for each in user_gradients(design, log, weights))
        drawn = budget.noise_multiplier * budget.clip * torch.randn(weights.shape, generator=noise)
        gradient = (total + drawn) / design.scale / torch.tensor([[1.0], [CONVERSION]])
        weights = weights + RATE * (gradient - ridge * (weights - start)) / (curvature + ridge)
        if step >= settled:
            averaged += weights / (STEPS - settled)
    return averaged


def cut(gradients: Tensor, clip: float) -> Tensor:
    """[U, ...] of users, each shortened to norm `clip` where it is longer."""
    norms = gradients.flatten(1).norm(dim=1).clamp(min=1e-12)
    return gradients * (clip / norms).clamp(max=1).reshape(-1, *[1] * (gradients.dim() - 1))


def user_gradients(design: Design, log: UserLog, weights: Tensor) -> Iterator[Tensor]:
    """Gradients of the log-likelihood, user by user: [U, 2, K] for some users after others, scaled as they are cut."""
    tables = torch.stack([design.logits(w) for w in weights], dim=2)
    place = design.split(weights)[2].T
    ends = torch.searchsorted(log.user, torch.arange(log.users + 1))
    heads = design.scale * torch.tensor([[1.0], [CONVERSION]])
    for first in range(0, log.users, AT_ONCE):
        last = min(first + AT_ONCE, log.users)
        rows = slice(int(ends[first]), int(ends[last]))
        user, creative, where = log.user[rows] - first, log.creative[rows], log.place[rows]
        chance = torch.sigmoid(tables[creative, log.segment[log.user[rows]]] + place[where])
        clicked = log.clicks[rows]
        surprise = torch.stack([clicked - chance[:, 0], log.conversions[rows] - clicked * chance[:, 1]])
        of = (user, creative, log.category[rows], where, log.segment[first:last])
        yield torch.stack([_gradient(design, each, *of) for each in surprise], dim=1) * heads


def _gradient(
    design: Design, surprise: Tensor, user: Tensor, creative: Tensor, category: Tensor, place: Tensor, segment: Tensor
) -> Tensor:
    """[U, K]: coordinates of each row, weighted by its surprise, summed over the rows of each user."""
    users, sizes = len(segment), design.sizes
    counted = surprise.nonzero().squeeze(1)  # of conversions, rows with a click
    surprise, user, creative, category, place = (part[counted] for part in (surprise, user, creative, category, place))
    bag = user * sizes["category"] + category
    starts = torch.searchsorted(bag, torch.arange(users * sizes["category"]))
    texts = embedding_bag(creative, design.features, starts, mode="sum", per_sample_weights=surprise)
    texts = texts.unflatten(0, (users, -1))
    by_segment = texts.new_zeros(users, sizes["segment"], texts.shape[2])
    by_segment[torch.arange(users), segment] = texts.sum(1)
    parts = [texts.sum(1, keepdim=True).flatten(1), by_segment.flatten(1), texts.flatten(1)]

    def summed(index: Tensor, size: int) -> Tensor:
        return surprise.new_zeros(users * size).index_add(0, user * size + index, surprise).unflatten(0, (users, size))

    cell = segment[user] * sizes["category"] + category
    context = (torch.zeros_like(user), 1), (place, sizes["place"]), (design.product[creative], sizes["product"])
    return torch.cat([*parts, *(summed(*each) for each in (*context, (cell, sizes["segment"] * sizes["category"])))], 1)
