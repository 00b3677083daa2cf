"""The effect model learned by silos that keep their rows: federated averaging (McMahan et al., AISTATS 2017).

Each silo takes a few steps on its own counts, from the weights that all have; what is sent is how its weights moved,
times its trials, hidden by masks (`secure_sum`). The server learns the average, and nothing of any one silo. With one
step at a time the average is the step that all rows together would take, however they are spread over silos.
"""

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...simulation.data.catalog import Catalog
from ...simulation.logs import Counts
from .design import Design
from .features import Description, Reads, Words
from .model import VALIDATORS, EffectConfig, EffectModel
from .secure_sum import decoded, encoded, masked, summed

RATE = 0.5
"""Share of a full step that is taken."""
MEMBERS = VALIDATORS
"""Linear ones."""


@dataclass(frozen=True)
class Schedule:
    """How often silos send, and how far they go alone in between."""

    rounds: int = 20
    local_steps: int = 1


@dataclass
class Server:
    """Adds up what silos send, and counts bytes."""

    silos: int
    bytes_sent: int = 0
    """By all silos together."""
    turns: int = 0

    def __post_init__(self) -> None:
        # Agreed on by each two silos among themselves (Diffie-Hellman); the server only passes on sealed letters.
        shared = {pair: secrets.token_bytes(32) for pair in itertools.combinations(range(self.silos), 2)}
        others = range(self.silos)
        self._secrets = [{o: shared[min(i, o), max(i, o)] for o in others if o != i} for i in range(self.silos)]

    def total(self, values: Sequence[Tensor]) -> Tensor:
        """The sum over silos of tensors of one shape, float64, each hidden until all are added."""
        flat = [encoded(value.double().flatten().numpy()) for value in values]
        sent = [masked(own, i, self._secrets[i], self.turns) for i, own in enumerate(flat)]
        self.turns += 1
        self.bytes_sent += sum(each.nbytes for each in sent)
        return torch.from_numpy(decoded(summed(sent))).reshape(values[0].shape)


def fit_federated_effect_model(
    silos: Sequence[Counts],
    catalog: Catalog,
    config: EffectConfig,
    schedule: Schedule = Schedule(),
    *,
    slots: int,
    reads: Reads | None = None,
    seed: int = 0,
) -> tuple[EffectModel, int]:
    """Fits a small ensemble to logs that stay where they are.

    Args:
        silos: what each has logged; all name the same creatives, segments and channels, which are known to all.
        catalog: of the logs' products.
        config: strength of the ridges.
        schedule: rounds, and steps in between.
        slots: of a slate.
        reads: says how texts read; None where nobody does.
        seed: member i reads words by seed + i.

    Returns:
        The model, and the bytes that all silos sent together.
    """
    names, server = silos[0], Server(len(silos))
    own = [torch.stack([_trials(counts).sum(1), _successes(counts).sum(1)]).double() for counts in silos]
    # As shares of a fixed size, so that the numbers fit: 2^20 trials are one.
    trials, successes = server.total([each / 2**20 for each in own]) * 2**20
    rates = (successes / trials.clamp(min=1)).clamp(1e-3, 0.5).float()
    description = Description(catalog, names.creatives, reads)
    model = EffectModel(catalog, names.segments, names.channels, description)
    texts, described = [creative.text for creative in names.creatives], description(names.creatives)
    for i, (kind, _) in enumerate(MEMBERS):
        model.words[kind] = Words(kind, texts, seed=seed + i)
        features = torch.cat([model.words[kind](texts), described], dim=1)
        design = Design.of(features, names.creatives, names.segments, len(names.channels) * slots, catalog, config)
        weights = design.start(rates)
        shares = [each[0] / trials.clamp(min=1) for each in own]
        for _ in range(schedule.rounds):
            moved = [
                share.float()[:, None]
                * (local(design, counts, weights, rates, share, schedule.local_steps, slots) - weights)
                for counts, share in zip(silos, shares, strict=True)
            ]
            weights = weights + server.total(moved).float()
        model.kinds.append(kind)
        model.heads.append(design.heads(weights))
    return model, server.bytes_sent


def local(
    design: Design, counts: Counts, weights: Tensor, rates: Tensor, share: Tensor, steps: int, slots: int
) -> Tensor:
    """[2, K] weights after a silo's own steps, its rows standing for all.

    Args:
        design: what weights mean.
        counts: of the silo.
        weights: [2, K] that it begins with.
        rates: [2] CTR and CVR over all silos.
        share: [2] of all trials that are the silo's.
        steps: how many.
        slots: of a slate.
    """
    held = share.clamp(min=1e-12)[:, None].float()
    trials = _trials(counts).sum(1)[:, None] / held
    curvature = trials * (1 - rates[:, None]) * rates[:, None] * design.moments
    start = design.start(rates)
    for _ in range(steps):
        gradient = summed_gradient(design, counts, weights, slots) / held
        weights = weights + RATE * (gradient - design.ridge * (weights - start)) / (curvature + design.ridge)
    return weights


def summed_gradient(design: Design, counts: Counts, weights: Tensor, slots: int) -> Tensor:
    """[2, K] gradient of the log-likelihood over all cells."""
    place = counts.channel * slots + counts.position
    tables = torch.stack([design.logits(w) for w in weights])
    logits = tables[:, counts.creative, counts.segment] + design.split(weights)[2][:, place]
    surprise = _successes(counts) - _trials(counts) * torch.sigmoid(logits)
    sizes = design.sizes
    cell = counts.creative * sizes["segment"] + counts.segment
    by_text = surprise.new_zeros(2, len(design.features) * sizes["segment"]).index_add(1, cell, surprise)
    by_text = by_text.unflatten(1, (-1, sizes["segment"]))
    everyone = by_text.sum(2)
    weighed = everyone[:, :, None] * design.features
    by_segment = torch.einsum("hns,nd->hsd", by_text, design.features)
    by_category = weighed.new_zeros(2, sizes["category"], weighed.shape[2]).index_add(1, design.category, weighed)
    places = surprise.new_zeros(2, sizes["place"]).index_add(1, place, surprise)
    products = everyone.new_zeros(2, sizes["product"]).index_add(1, design.product, everyone)
    table = by_text.new_zeros(2, sizes["category"], sizes["segment"]).index_add(1, design.category, by_text)
    parts = [weighed.sum(1), by_segment.flatten(1), by_category.flatten(1), everyone.sum(1, keepdim=True)]
    return torch.cat([*parts, places, products, table.transpose(1, 2).flatten(1)], dim=1)


def _trials(counts: Counts) -> Tensor:
    """[2, m]: impressions, clicks."""
    return torch.stack([counts.impressions, counts.clicks])


def _successes(counts: Counts) -> Tensor:
    """[2, m]: clicks, conversions."""
    return torch.stack([counts.clicks, counts.conversions])
