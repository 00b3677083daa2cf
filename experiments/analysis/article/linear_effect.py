"""The article's effect model: linear in the text, with weight regularisation and adversarial training."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ....simulation.data.catalog import Catalog, Creative
from ....simulation.logs import Counts
from ....simulation.text.encoder import TextEncoder, surface_features

DIM = 192


class ArticleFeatures:
    """Texts as vectors: word n-grams at random projection, and what the text looks like."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Standardises on these texts; surface features are bounded beyond them."""
        self._encoder = TextEncoder(dim=DIM, seed=41, ngrams=(1, 2), words=True)
        surface = torch.log1p(surface_features(texts))
        self._mean, self._spread = surface.mean(0), surface.std(0, correction=0).clamp(min=0.02)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """[n, d]; each vector's text part has length sqrt(DIM) / 2."""
        surface = torch.tanh((torch.log1p(surface_features(texts)) - self._mean) / (3 * self._spread))
        return torch.cat([self._encoder.encode(texts) * DIM**0.5 / 2, surface], dim=1)


@dataclass(frozen=True)
class Training:
    """How the model is held back from believing too much."""

    ridge: float = 0.0
    """Weight of the squared weights, in units of the log-likelihood."""
    radius: float = 0.0
    """Length of the adversarial step in the embedding; what counts then is the mean of the clean and the moved loss."""


class LinearEffect(nn.Module):
    """sigma(base + product + segment in category + y W + y W_segment) for clicks, and given a click for conversions."""

    def __init__(self, width: int, products: int, segments: int, categories: int) -> None:
        super().__init__()
        self.base = nn.Parameter(torch.zeros(2))
        self.product = nn.Parameter(torch.zeros(products, 2))
        self.meeting = nn.Parameter(torch.zeros(segments, categories, 2))
        self.shared = nn.Parameter(torch.zeros(width, 2))
        self.own = nn.Parameter(torch.zeros(segments, width, 2))

    def text(self, features: Tensor) -> Tensor:
        """[n, S, 2]: the text's part of the logits, for every segment."""
        return (features @ self.shared)[:, None] + torch.einsum("nd,sde->nse", features, self.own)

    def logits(self, features: Tensor, product: Tensor, category: Tensor) -> Tensor:
        """[n, S, 2] of n texts of n products."""
        return self.base + self.product[product][:, None] + self.meeting.transpose(0, 1)[category] + self.text(features)


@dataclass(frozen=True)
class Log:
    """A log summed by text and segment: [n, S, 2] trials (impressions, clicks) and successes (clicks, conversions)."""

    features: Tensor
    product: Tensor
    category: Tensor
    trials: Tensor
    successes: Tensor

    @classmethod
    def of(cls, counts: Counts, catalog: Catalog, reader: ArticleFeatures) -> "Log":
        """Places are summed over: the log is of uniform placement, where they do not depend on the text."""
        n, segments = len(counts.creatives), len(counts.segments)
        sums = torch.zeros(3, n * segments)
        for row, values in enumerate((counts.impressions, counts.clicks, counts.conversions)):
            sums[row].index_add_(0, counts.creative * segments + counts.segment, values)
        shown, clicked, converted = sums.view(3, n, segments)
        product = torch.tensor(catalog.product_indices(counts.creatives))
        return cls(
            reader([creative.text for creative in counts.creatives]),
            product,
            torch.tensor(catalog.category_of)[product],
            torch.stack([shown, clicked], -1),
            torch.stack([clicked, converted], -1),
        )

    def part(self, rows: Tensor) -> "Log":
        """Some of the texts."""
        return Log(*(value[rows] for value in vars(self).values()))


def loss(logits: Tensor, log: Log) -> Tensor:
    """Negative log-likelihood of binomial counts, [n, S, 2], the constant left out."""
    return log.trials * nn.functional.softplus(logits) - log.successes * logits


def fit_linear(
    log: Log, sizes: tuple[int, int, int], training: Training, rounds: int = 1000, learning_rate: float = 1e-3
) -> LinearEffect:
    """Fits by Adam, full batch.

    Adversarial training is the fast gradient method on embeddings (Miyato, Dai and Goodfellow, "Adversarial training
    methods for semi-supervised text classification", ICLR 2017): each text is also seen moved by `radius` along the
    gradient of its loss. In a linear model that is a norm penalty of another shape (Goodfellow, Shlens and Szegedy,
    ICLR 2015), so little more than weight regularisation is to be expected.

    Args:
        log: what is learned from.
        sizes: products, segments, categories.
        training: what holds it back.
        rounds: steps.
        learning_rate: of Adam.
    """
    model = LinearEffect(log.features.shape[1], *sizes)
    rates = log.successes.sum((0, 1)) / log.trials.sum((0, 1)).clamp(min=1)
    model.base.data = torch.logit(rates.clamp(1e-6, 1 - 1e-6))
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    context = log.product, log.category
    for _ in range(rounds):
        features = log.features.requires_grad_(training.radius > 0)
        clean = loss(model.logits(features, *context), log).sum()
        total = clean
        if training.radius > 0:
            (slope,) = torch.autograd.grad(clean, features, retain_graph=True)
            moved = features.detach() + training.radius * nn.functional.normalize(slope, dim=1)
            total = (clean + loss(model.logits(moved, *context), log).sum()) / 2
        weights = model.shared.square().sum() + model.own.square().sum()
        context_weights = model.product.square().sum() + model.meeting.square().sum()
        optimizer.zero_grad()
        (total + training.ridge * weights + 2.0 * context_weights).backward()
        optimizer.step()
    log.features.requires_grad_(False)
    return model.requires_grad_(False)


def predicted(model: LinearEffect, reader: ArticleFeatures, creatives: Sequence[Creative], catalog: Catalog) -> Tensor:
    """[n, S, 2] logits of texts for every segment."""
    product = torch.tensor(catalog.product_indices(creatives))
    category = torch.tensor(catalog.category_of)[product]
    return model.logits(reader([creative.text for creative in creatives]), product, category)
