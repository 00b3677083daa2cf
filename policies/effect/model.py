"""The effect model: what a text does for clicks and conversions, learned from logged feedback alone.

An ensemble of binomial regressions on counts. Each member reads texts in its own way (words, character n-grams, a
random-projection encoder, words through a small network), starts from its own seed and holds out its own creatives for
early stopping. Context (product, channel and position, segment and category) is additive, so that the text's own part
can be told apart from what the writer cannot change.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor, nn

from ...simulation.data.catalog import Catalog, Creative
from ...simulation.logs import Counts
from ...simulation.text.encoder import TextEncoder, surface_features, tokens
from ...simulation.text.queries import share_said

CLICK, CONVERT = 0, 1
"""Index of the two heads."""


@dataclass(frozen=True)
class EffectConfig:
    """How the effect model is fitted."""

    steps: int = 200
    """Most steps of Adam, full batch."""
    learning_rate: float = 0.02
    text_ridge: float = 1500.0
    """Ridge on the text weights shared by all, in units of the log-likelihood."""
    segment_ridge: float = 5000.0
    """Ridge on the deviations of a segment's or a category's text weights."""
    context_ridge: float = 2.0
    hold_out: float = 0.15
    """Share of creatives held out for early stopping, different for every member."""


@dataclass(frozen=True)
class Prediction:
    """What the ensemble of M members predicts for n creatives; both heads: [M, n, 2] logits, click and convert."""

    context: Tensor
    """The part of product, segment and a typical place."""
    text: Tensor
    """The part of the text."""

    @property
    def rates(self) -> Tensor:
        """[n, 2] mean probabilities over members: CTR and CVR."""
        return torch.sigmoid(self.context + self.text).mean(0)


class TextFeatures:
    """One member's way of reading texts: fitted on the log's own texts."""

    def __init__(self, kind: str, texts: Sequence[str], seed: int, dim: int = 200) -> None:
        """Fits the vocabulary. Kinds: words, characters, encoder."""
        self.kind = kind
        if kind == "encoder":
            self._encoder = TextEncoder(dim=dim, seed=1000 + seed, ngrams=(1, 2), words=True)
        else:
            spaced = {"tokenizer": tokens, "token_pattern": None, "ngram_range": (1, 2), "min_df": 2}
            letters = {"analyzer": "char_wb", "ngram_range": (3, 5), "min_df": 3}
            self._tfidf = TfidfVectorizer(sublinear_tf=True, **(spaced if kind == "words" else letters))
            table = self._tfidf.fit_transform(texts)
            self._reduce = TruncatedSVD(min(dim, min(table.shape) - 1), random_state=seed).fit(table)
        surface = torch.log1p(surface_features(texts))
        self._mean, self._spread = surface.mean(0), surface.std(0, correction=0).clamp(min=0.02)
        raw = self._vectors(texts)
        self._scale = raw.std(0, correction=0).mean().clamp(min=1e-6)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """[n, D] float32; surface features enter bounded and with their squares."""
        surface = torch.tanh((torch.log1p(surface_features(texts)) - self._mean) / (3 * self._spread))
        return torch.cat([self._vectors(texts) / self._scale, surface, surface**2], dim=1)

    def _vectors(self, texts: Sequence[str]) -> Tensor:
        if self.kind == "encoder":
            return self._encoder.encode(texts)
        return torch.from_numpy(self._reduce.transform(self._tfidf.transform(texts)).astype(np.float32))


class _Heads(nn.Module):
    """Click and convert logits of cells: additive context, and text weights by segment and category."""

    def __init__(self, width: int, sizes: dict[str, int], hidden: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        draw = torch.randn(width, hidden, generator=generator) / width**0.5
        self.hidden = nn.Parameter(draw) if hidden else None
        out = hidden or width
        self.shared = nn.Parameter(0.01 * torch.randn(out, 2, generator=generator) / out**0.5)
        self.by_segment = nn.Parameter(torch.zeros(sizes["segment"], out, 2))
        self.by_category = nn.Parameter(torch.zeros(sizes["category"], out, 2))
        self.base = nn.Parameter(torch.zeros(2))
        self.place = nn.Parameter(torch.zeros(sizes["place"], 2))
        self.product = nn.Parameter(torch.zeros(sizes["product"], 2))
        self.segment = nn.Parameter(torch.zeros(sizes["segment"], sizes["category"], 2))
        self.answer = nn.Parameter(torch.zeros(2, 2))
        """Weights of a product of the category asked for, and of the share of the query's words said."""

    def text(self, features: Tensor, segment: Tensor, category: Tensor) -> Tensor:
        """[n, 2] for n texts, each for one segment (the last index is everyone) and one category."""
        features = torch.tanh(features @ self.hidden) if self.hidden is not None else features
        by_segment = torch.cat([self.by_segment, self.by_segment.mean(0, keepdim=True)])
        own = _apply_chosen(features, by_segment, segment) + _apply_chosen(features, self.by_category, category)
        return features @ self.shared + own

    def all_segments(self, features: Tensor, category: Tensor) -> Tensor:
        """[n, S, 2]: every text for every segment."""
        features = torch.tanh(features @ self.hidden) if self.hidden is not None else features
        common = features @ self.shared + _apply_chosen(features, self.by_category, category)
        return common[:, None] + torch.einsum("nd,sde->nse", features, self.by_segment)

    def context(self, place: Tensor | None, product: Tensor, segment: Tensor, category: Tensor) -> Tensor:
        # Rows are taken by `index_select`, whose gradient costs half of what indexing's does.
        table = torch.cat([self.segment, self.segment.mean(0, keepdim=True)])
        own = table.flatten(0, 1).index_select(0, segment * table.shape[1] + category)
        where = self.place.index_select(0, place) if place is not None else self.place.mean(0)
        return self.base + where + self.product.index_select(0, product) + own

    def penalty(self, config: EffectConfig) -> Tensor:
        text = config.text_ridge * self.shared.square().sum()
        if self.hidden is not None:
            text = text + config.text_ridge * self.hidden.square().sum() / self.hidden.shape[1]
        own = config.segment_ridge * (self.by_segment.square().sum() + self.by_category.square().sum())
        context = self.product.square().sum() + self.segment.square().sum() + 0.1 * self.place.square().sum()
        context = context + 0.1 * self.answer.square().sum()
        return text + own + config.context_ridge * context


def _apply_chosen(features: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
    """[n, e]: row i of `features` [n, d] times `weights[chosen[i]]` [d, e], without copying weights to rows."""
    return torch.einsum("nd,kde->nke", features, weights)[torch.arange(len(chosen), device=chosen.device), chosen]


@dataclass
class EffectModel:
    """Predicts clicks and conversions of texts; see `fit_effect_model`."""

    catalog: Catalog
    segments: tuple[str, ...]
    channels: tuple[str, ...]
    features: list[TextFeatures] = field(default_factory=list)
    heads: list[_Heads] = field(default_factory=list)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where the heads are; texts are read on the CPU, and predictions are handed out there."""

    def predict(self, creatives: Sequence[Creative]) -> Prediction:
        """Predicts texts in the average channel's average slot, each for its own audience (or everyone)."""
        product = torch.tensor(self.catalog.product_indices(creatives), dtype=torch.int64)
        category = torch.tensor(self.catalog.category_of)[product]
        everyone = len(self.segments)
        names = {name: i for i, name in enumerate(self.segments)}
        segment = torch.tensor([names.get(creative.audience, everyone) for creative in creatives], dtype=torch.int64)
        product, category, segment = (index.to(self.device) for index in (product, category, segment))
        texts = [creative.text for creative in creatives]
        asked, said = (part.to(self.device) for part in self._own_query(creatives))
        with torch.no_grad():
            text = [
                h.text(f(texts).to(self.device), segment, category) + said * h.answer[1]
                for f, h in zip(self.features, self.heads, strict=True)
            ]
            context = [h.context(None, product, segment, category) + asked * h.answer[0] for h in self.heads]
        return Prediction(torch.stack(context).cpu(), torch.stack(text).cpu())

    def _own_query(self, creatives: Sequence[Creative]) -> tuple[Tensor, Tensor]:
        """Two [n, 1]: 1 for creatives written for a query, and the share of its words that they say."""
        if not self.catalog.queries or not len(creatives):
            return torch.zeros(len(creatives), 1), torch.zeros(len(creatives), 1)
        number = {query.text: i for i, query in enumerate(self.catalog.queries)}
        own = torch.tensor([number.get(creative.audience, -1) for creative in creatives], dtype=torch.int64)[:, None]
        said = share_said([q.text for q in self.catalog.queries], [creative.text for creative in creatives])
        return (own >= 0).float(), (own >= 0) * said.T.gather(1, own.clamp(min=0))

    def predict_cells(self, counts: Counts) -> Tensor:
        """[m, 2] mean probabilities in the places of a log: what its metrics are computed from."""
        cells = _Cells.of(counts, self.catalog, self.channels).to(self.device)
        texts = [creative.text for creative in counts.creatives]
        with torch.no_grad():
            logits = [cells.logits(h, f(texts).to(self.device)) for f, h in zip(self.features, self.heads, strict=True)]
        return torch.sigmoid(torch.stack(logits)).mean(0).cpu()


MEMBERS = (("words", 0), ("characters", 0), ("encoder", 0), ("words", 24), ("characters", 24))
"""The ensemble: how each member reads texts, and the width of its hidden layer (0 for a linear member)."""


VALIDATORS = (("words", 0), ("characters", 0))
"""Members of the model that validates, fitted on feedback of its own."""


def fit_effect_model(
    counts: Counts,
    catalog: Catalog,
    config: EffectConfig = EffectConfig(),
    *,
    members: Sequence[tuple[str, int]] = MEMBERS,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] = lambda n: None,
) -> EffectModel:
    """Fits the ensemble to a log.

    Args:
        counts: the log, summed; nothing else is seen.
        catalog: of the log's products.
        config: strength of the ridges, steps.
        members: how each reads texts, and the width of its hidden layer.
        seed: member i starts from seed + i.
        device: where members are fitted, and predict.
        progress: called after each member with 1.
    """
    model = EffectModel(catalog, counts.segments, counts.channels, device=torch.device(device))
    cells = _Cells.of(counts, catalog, counts.channels).to(model.device)
    texts = [creative.text for creative in counts.creatives]
    for i, (kind, hidden) in enumerate(members):
        features = TextFeatures(kind, texts, seed=seed + i)
        model.features.append(features)
        model.heads.append(_fit_member(features(texts).to(model.device), cells, hidden, config, seed + i))
        progress(1)
    return model


@dataclass(frozen=True)
class _Cells:
    creative: Tensor
    place: Tensor
    product: Tensor
    segment: Tensor
    category: Tensor
    creative_category: Tensor
    trials: Tensor
    """[m, 2]: impressions, clicks."""
    successes: Tensor
    """[m, 2]: clicks, conversions."""
    sizes: dict[str, int]
    answer: Tensor | None
    """[m, 2], see `Counts.answer`."""

    @classmethod
    def of(cls, counts: Counts, catalog: Catalog, channels: tuple[str, ...]) -> "_Cells":
        products = torch.tensor(catalog.product_indices(counts.creatives), dtype=torch.int64)
        category = torch.tensor(catalog.category_of)
        slots = int(counts.position.max()) + 1
        product = products[counts.creative]
        return cls(
            counts.creative,
            counts.channel * slots + counts.position,
            product,
            counts.segment,
            category[product],
            category[products],
            torch.stack([counts.impressions, counts.clicks], 1),
            torch.stack([counts.clicks, counts.conversions], 1),
            {
                "segment": len(counts.segments),
                "category": len(catalog.categories),
                "place": len(channels) * slots,
                "product": len(catalog),
            },
            counts.answer,
        )

    def to(self, device: torch.device) -> "_Cells":
        """The same cells on a device."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: part.to(device) for name, part in held.items() if isinstance(part, Tensor)})

    def logits(self, heads: _Heads, features: Tensor) -> Tensor:
        text = heads.all_segments(features, self.creative_category)
        text = text.flatten(0, 1).index_select(0, self.creative * text.shape[1] + self.segment)
        logits = text + heads.context(self.place, self.product, self.segment, self.category)
        return logits if self.answer is None else logits + self.answer @ heads.answer


def _fit_member(features: Tensor, cells: _Cells, hidden: int, config: EffectConfig, seed: int) -> _Heads:
    heads = _Heads(features.shape[1], cells.sizes, hidden, seed).to(features.device)
    rates = cells.successes.sum(0) / cells.trials.sum(0).clamp(min=1)
    heads.base.data = torch.logit(rates.clamp(1e-6, 1 - 1e-6))
    generator = torch.Generator().manual_seed(seed)
    held = (torch.rand(len(features), generator=generator) < config.hold_out).to(features.device)
    learned = (~held[cells.creative]).float()[:, None]
    optimizer = torch.optim.Adam(heads.parameters(), lr=config.learning_rate)
    best, best_state = float("inf"), {k: v.clone() for k, v in heads.state_dict().items()}
    for step in range(config.steps):
        losses = _negative_log_likelihood(cells.logits(heads, features), cells)
        if step % 10 == 0 and held.any():
            loss = float((losses.detach() * (1 - learned)).sum())
            if loss < best:
                best, best_state = loss, {k: v.clone() for k, v in heads.state_dict().items()}
        optimizer.zero_grad()
        ((losses * learned).sum() + heads.penalty(config)).backward()
        optimizer.step()
    if held.any():
        heads.load_state_dict(best_state)
    return heads.requires_grad_(False)


def _negative_log_likelihood(logits: Tensor, cells: _Cells) -> Tensor:
    """Binomial, [m, 2], the constant left out: trials * softplus(logit) - successes * logit."""
    return cells.trials * nn.functional.softplus(logits) - cells.successes * logits
