"""Linear effect models, one coordinate a weight, so that what moves them can be cut, added up and sent.

The features of texts are centred by category and turned to their main directions, both told by the texts alone; there
the curvature of the log-likelihood is known well enough before any feedback is seen, and few steps are enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...simulation.data.catalog import Catalog, Creative
from .model import EffectConfig, Heads


@dataclass(frozen=True)
class Design:
    """What a row's logit is made of, one coordinate a weight: text by all, segment and category; then the context."""

    features: Tensor
    """[n, D] of texts: centred by category, turned to their main directions, of norm 1 on average."""
    turn: Tensor
    """[D, D] from what members see to that; the scale is in it."""
    middle: Tensor
    """[C, D] what was taken off, by category."""
    category: Tensor
    """[n] of each creative."""
    product: Tensor
    """[n] of each creative."""
    sizes: dict[str, int]
    moments: Tensor
    """[K] mean square of each coordinate over creatives, each shown as often to everybody."""
    ridge: Tensor
    """[K] of each weight, as what is taken off its gradient."""
    scale: Tensor
    """[K] of each gradient when users are cut: deviations, which are small, count less."""

    @classmethod
    def of(
        cls,
        features: Tensor,
        creatives: Sequence[Creative],
        segments: Sequence[str],
        places: int,
        catalog: Catalog,
        config: EffectConfig,
    ) -> "Design":
        """From what is public: texts and what members see of them, the catalog, segments, how many places."""
        product = torch.tensor(catalog.product_indices(creatives))
        category = torch.tensor(catalog.category_of)[product]
        sizes = {
            "segment": len(segments),
            "category": len(catalog.categories),
            "place": places,
            "product": len(catalog),
        }
        shown = torch.bincount(category, minlength=sizes["category"]).clamp(min=1)[:, None]
        middle = torch.zeros(sizes["category"], features.shape[1]).index_add(0, category, features) / shown
        centred = features - middle[category]
        length = centred.norm(dim=1).mean().clamp(min=1e-6)
        turn = torch.linalg.eigh(centred.T @ centred / len(centred))[1] / length
        turned = centred @ turn
        square = turned.square()
        by_category = torch.zeros_like(middle).index_add(0, category, square) / len(square)
        groups, categories = sizes["segment"], sizes["category"]
        texts = [square.mean(0), *[square.mean(0) / groups] * groups, *by_category]
        even = [torch.full((size,), 1 / size) for size in (1, sizes["place"], sizes["product"], groups * categories)]
        own, width = (groups + categories) * features.shape[1], features.shape[1]
        ridge = [(width, config.text_ridge / length**2), (own, config.segment_ridge / length**2)]
        less = (config.text_ridge / config.segment_ridge) ** 0.5 if config.segment_ridge else 1.0
        context = sum(map(len, even))
        return cls(
            turned,
            turn,
            middle,
            category,
            product,
            sizes,
            torch.cat([*texts, *even]).clamp(min=1e-9),
            torch.cat([torch.full((n,), 2 * float(r)) for n, r in (*ridge, (context, config.context_ridge))]),
            torch.cat([torch.ones(width), torch.full((own,), min(1.0, less)), torch.full((context,), 0.5)]),
        )

    def start(self, rates: Tensor) -> Tensor:
        """[2, K] weights that say the same of all rows: CTR and CVR, [2]."""
        weights = torch.zeros(2, len(self.moments))
        self.split(weights)[1].copy_(torch.logit(rates)[:, None])
        return weights

    def split(self, weights: Tensor) -> list[Tensor]:
        """[..., K] as text [..., 1 + S + C, D], base, places, products, and segments by category."""
        rows, width = 1 + self.sizes["segment"] + self.sizes["category"], self.features.shape[1]
        parts = [rows * width, 1, self.sizes["place"], self.sizes["product"]]
        text, *context = weights.split([*parts, self.sizes["segment"] * self.sizes["category"]], dim=-1)
        return [text.unflatten(-1, (rows, width)), *context]

    def logits(self, weights: Tensor) -> Tensor:
        """[n, S] of every creative for every segment, over all places; `weights` [K]."""
        text, base, _, product, table = self.split(weights)
        shared, segment, category = text.split([1, self.sizes["segment"], self.sizes["category"]])
        own = (self.features * (shared + category[self.category])).sum(1) + product[self.product] + base
        return own[:, None] + self.features @ segment.T + table.unflatten(0, (-1, len(category))).T[self.category]

    def heads(self, weights: Tensor) -> Heads:
        """The weights as an effect model holds them; `weights` [2, K] of clicks and conversions."""
        heads = Heads(self.features.shape[1], self.sizes, 0, seed=0)
        text, base, place, product, table = self.split(weights)
        text = text @ self.turn.T
        segments, categories = self.sizes["segment"], self.sizes["category"]
        shared, segment, category = text.split([1, segments, categories], dim=1)
        usual = (shared + category) * self.middle
        both = usual.sum(-1)[:, None] + segment @ self.middle.T
        table = table.unflatten(1, (segments, categories)) - both
        found = {
            "shared": shared[:, 0],
            "by_segment": segment,
            "by_category": category,
            "base": base[:, 0],
            "place": place,
            "product": product,
            "segment": table,
        }
        with torch.no_grad():
            for name, value in found.items():
                getattr(heads, name).copy_(value.movedim(0, -1))
        return heads.requires_grad_(False)
