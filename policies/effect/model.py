"""The effect model: what a text does for clicks and conversions, learned from logged feedback alone.

An ensemble of binomial regressions on counts. Each member reads words in its own way (words, character n-grams, a
random-projection encoder, words through a small network), starts from its own seed and holds out its own creatives for
early stopping; what can be told of a text beside its words is the same for all. Context (product, channel and position,
segment and category) is additive, so that the text's own part can be told apart from what the writer cannot change.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from ...simulation.data.catalog import Catalog, Creative
from ...simulation.logs import Counts
from ...simulation.text.queries import share_said
from ..pictures.columns import PictureTable
from .contract import Prediction
from .features import Description, Reads, Words
from .places import place_effects


@dataclass(frozen=True)
class EffectConfig:
    """How the effect model is fitted."""

    steps: int = 200
    """Most steps of Adam, full batch."""
    learning_rate: float = 0.02
    text_ridge: float = 4000.0
    """Ridge on the text weights shared by all, in units of the log-likelihood."""
    segment_ridge: float = 15_000.0
    """Ridge on the deviations of a segment's or a category's text weights."""
    context_ridge: float = 2.0
    hold_out: float = 0.15
    """Share of creatives held out for early stopping, different for every member."""


class Heads(nn.Module):
    """Click and convert logits of cells: additive context, and text weights by segment and category."""

    def __init__(self, width: int, sizes: dict[str, int], hidden: int, seed: int) -> None:
        super().__init__()
        self.width, self.sizes, self.hidden_width = width, sizes, hidden
        generator = torch.Generator().manual_seed(seed)
        draw = torch.randn(width, hidden, generator=generator) / width**0.5
        self.hidden = nn.Parameter(draw) if hidden else None
        out = hidden or width
        self.shared = nn.Parameter(0.01 * torch.randn(out, 2, generator=generator) / out**0.5)
        self.by_segment = nn.Parameter(torch.zeros(sizes["segment"], out, 2))
        self.by_category = nn.Parameter(torch.zeros(sizes["category"], out, 2))
        self.base = nn.Parameter(torch.zeros(2))
        self.place = nn.Buffer(torch.zeros(sizes["place"], 2))
        self.product = nn.Parameter(torch.zeros(sizes["product"], 2))
        self.segment = nn.Parameter(torch.zeros(sizes["segment"], sizes["category"], 2))
        self.answer = nn.Parameter(torch.zeros(2, 2))
        """Weights of a product of the category asked for, and of the share of the query's words said."""

    def text(self, features: Tensor, segment: Tensor, category: Tensor) -> Tensor:
        """[n, 2] for n texts, each for one segment (the last index is everyone) and one category."""
        found = self.all_segments(features, category)
        found = torch.cat([found, found.mean(1, keepdim=True)], dim=1)
        return found[torch.arange(len(segment), device=segment.device), segment]

    def all_segments(self, features: Tensor, category: Tensor) -> Tensor:
        """[n, S, 2]: every text for every segment."""
        features = torch.tanh(features @ self.hidden) if self.hidden is not None else features
        weights = torch.cat([self.shared[None], self.by_segment, self.by_category])
        # One product with all of them: a fraction of them is of use to a text, and taking it out would cost more.
        found = (features @ weights.transpose(0, 1).flatten(1)).unflatten(1, (-1, 2))
        shared, by_segment, by_category = found.split([1, len(self.by_segment), len(self.by_category)], dim=1)
        return shared + by_segment + by_category.gather(1, category[:, None, None].expand(-1, 1, 2))

    def context(self, place: Tensor | None, product: Tensor, segment: Tensor, category: Tensor) -> Tensor:
        """[n, 2] of n products, each for one segment; over all places where none is given."""
        # Rows are taken by `index_select`, whose gradient costs half of what indexing's does.
        table = torch.cat([self.segment, self.segment.mean(0, keepdim=True)])
        own = table.flatten(0, 1).index_select(0, segment * table.shape[1] + category)
        where = self.place.index_select(0, place) if place is not None else self.place.mean(0)
        return self.base + where + self.product.index_select(0, product) + own

    def penalty(self, config: EffectConfig) -> Tensor:
        """What the ridges take off the log-likelihood."""
        text = config.text_ridge * self.shared.square().sum()
        if self.hidden is not None:
            text = text + config.text_ridge * self.hidden.square().sum() / self.hidden.shape[1]
        own = config.segment_ridge * (self.by_segment.square().sum() + self.by_category.square().sum())
        context = self.product.square().sum() + self.segment.square().sum() + 0.1 * self.answer.square().sum()
        return text + own + config.context_ridge * context


@dataclass
class EffectModel:
    """Predicts clicks and conversions of texts; see `fit_effect_model`."""

    catalog: Catalog
    segments: tuple[str, ...]
    channels: tuple[str, ...]
    description: Description
    words: dict[str, Words] = field(default_factory=dict)
    """By kind."""
    kinds: list[str] = field(default_factory=list)
    """How each member reads words."""
    heads: list[Heads] = field(default_factory=list)
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
        asked, said = (part.to(self.device) for part in self._own_query(creatives))
        with torch.no_grad():
            text = [
                h.text(features, segment, category) + said * h.answer[1]
                for features, h in zip(self._features(creatives), self.heads, strict=True)
            ]
            context = [h.context(None, product, segment, category) + asked * h.answer[0] for h in self.heads]
        return Prediction(torch.stack(context).cpu(), torch.stack(text).cpu())

    def about(self, catalog: Catalog, reads: Reads | None) -> "EffectModel":
        """The same model, asked about other products in the places of its own: with their ids and categories.

        Args:
            catalog: of these.
            reads: says how texts about them read, where the model was told that.
        """
        return replace(self, catalog=catalog, description=self.description.about(catalog, reads))

    def state(self) -> dict[str, Any]:
        """All that was learned; of the ads their words, and no line."""
        heads = [
            {"width": h.width, "sizes": h.sizes, "hidden": h.hidden_width, "weights": h.state_dict()}
            for h in self.heads
        ]
        return {
            "catalog": self.catalog.without_lines().facts(),
            "segments": list(self.segments),
            "channels": list(self.channels),
            "description": self.description.state(),
            "words": {kind: words.state() for kind, words in self.words.items()},
            "kinds": list(self.kinds),
            "heads": heads,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any], reads: Callable[[Catalog], Reads]) -> "EffectModel":
        """What `state` said.

        Args:
            state: as it was written.
            reads: makes who says how texts read, where the model was told that.
        """
        catalog, described = Catalog.of_facts(state["catalog"]), state["description"]
        description = Description.restored(described, catalog, reads(catalog) if described["reads"] else None)
        model = cls(catalog, tuple(state["segments"]), tuple(state["channels"]), description)
        model.words = {kind: Words.restored(words) for kind, words in state["words"].items()}
        model.kinds = list(state["kinds"])
        for kept in state["heads"]:
            heads = Heads(kept["width"], kept["sizes"], kept["hidden"], seed=0)
            heads.load_state_dict({name: torch.as_tensor(value) for name, value in kept["weights"].items()})
            model.heads.append(heads.requires_grad_(False))
        return model

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
        with torch.no_grad():
            features = self._features(counts.creatives)
            logits = [cells.logits(h, own) for own, h in zip(features, self.heads, strict=True)]
        return torch.sigmoid(torch.stack(logits)).mean(0).cpu()

    def _features(self, creatives: Sequence[Creative]) -> Iterator[Tensor]:
        """What each member sees, [n, D]."""
        texts, described = [creative.text for creative in creatives], self.description(creatives)
        seen = {kind: torch.cat([words(texts), described], dim=1).to(self.device) for kind, words in self.words.items()}
        yield from (seen[kind] for kind in self.kinds)


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
    reads: Reads | None = None,
    pictures: PictureTable | None = None,
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
        reads: says how texts read; None where nobody does.
        pictures: those that texts stand beside; None where there are none.
        seed: member i starts from seed + i.
        device: where members are fitted, and predict.
        progress: called after each member with 1.
    """
    description = Description(catalog, counts.creatives, reads, pictures)
    model = EffectModel(catalog, counts.segments, counts.channels, description, device=torch.device(device))
    cells = _Cells.of(counts, catalog, counts.channels).to(model.device)
    cells, places = cells.over_places()
    texts, described = [creative.text for creative in counts.creatives], description(counts.creatives)
    for i, (kind, hidden) in enumerate(members):
        if kind not in model.words:
            model.words[kind] = Words(kind, texts, seed=seed + i)
        features = torch.cat([model.words[kind](texts), described], dim=1).to(model.device)
        model.kinds.append(kind)
        model.heads.append(_fit_member(features, cells, places, hidden, config, seed + i))
        progress(1)
    return model


@dataclass(frozen=True)
class _Cells:
    """A log's counts by creative, segment and what was looked for, and by place or over all places."""

    creative: Tensor
    segment: Tensor
    product: Tensor
    category: Tensor
    creative_category: Tensor
    trials: Tensor
    """[m, 2]: impressions, clicks; over all places, as many as they are worth in a usual place."""
    successes: Tensor
    """[m, 2]: clicks, conversions."""
    sizes: dict[str, int]
    answer: Tensor | None
    """[m, 2], see `Counts.answer`."""
    place: Tensor | None
    """Channel and position; None over all."""

    @classmethod
    def of(cls, counts: Counts, catalog: Catalog, channels: tuple[str, ...]) -> "_Cells":
        products = torch.tensor(catalog.product_indices(counts.creatives), dtype=torch.int64)
        category = torch.tensor(catalog.category_of)
        slots = int(counts.position.max()) + 1
        product = products[counts.creative]
        return cls(
            counts.creative,
            counts.segment,
            product,
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
            counts.channel * slots + counts.position,
        )

    def groups(self) -> Tensor:
        """[m] the number of each cell's creative, segment and answer."""
        key = self.creative * self.sizes["segment"] + self.segment
        if self.answer is not None:
            asked, said = (self.answer * 1000).round().long().unbind(1)
            key = (key * 1001 + asked) * 1001 + said
        return key.unique(return_inverse=True)[1]

    def over_places(self) -> tuple["_Cells", Tensor]:
        """Cells of the same group as one, in which a trial counts for more where rates are higher; and `place_effects`.

        Context and text are then fitted on a fraction of the cells.
        """
        assert self.place is not None
        group = self.groups()
        effects = place_effects(self.trials, self.successes, self.place, group, self.sizes["place"])
        size = int(group.max()) + 1
        total = lambda part: part.new_zeros(size, 2).index_add(0, group, part)  # noqa: E731
        first = torch.empty(size, dtype=torch.int64, device=group.device)
        first[group] = torch.arange(len(group), device=group.device)
        own = {name: part[first] for name in _OF_GROUP if (part := getattr(self, name)) is not None}
        trials, successes = total(self.trials * effects.exp()[self.place]), total(self.successes)
        return replace(self, **own, trials=trials, successes=successes, place=None), effects

    def to(self, device: torch.device) -> "_Cells":
        """The same cells on a device."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: part.to(device) for name, part in held.items() if isinstance(part, Tensor)})

    def logits(self, heads: Heads, features: Tensor) -> Tensor:
        text = heads.all_segments(features, self.creative_category)
        text = text.flatten(0, 1).index_select(0, self.creative * text.shape[1] + self.segment)
        logits = text + heads.context(self.place, self.product, self.segment, self.category)
        return logits if self.answer is None else logits + self.answer @ heads.answer


_OF_GROUP = ("creative", "segment", "product", "category", "answer")
"""What cells of a group have in common."""


def _fit_member(features: Tensor, cells: _Cells, places: Tensor, hidden: int, config: EffectConfig, seed: int) -> Heads:
    heads = Heads(features.shape[1], cells.sizes, hidden, seed).to(features.device)
    heads.place.copy_(places)
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
