"""What the effect model sees of a text: its words, its looks, what it says of its product, how it reads, and the
picture that it stands beside.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, TypeAlias

import numpy as np
import torch
from sklearn.decomposition import TruncatedSVD
from torch import Tensor

from ...simulation.data.catalog import Catalog, Creative, Product
from ...simulation.text.encoder import TextEncoder, surface_features, tokens
from ...simulation.text.ngrams import Ngrams
from ..pictures.columns import PictureTable

Reads: TypeAlias = Callable[[Sequence[Creative]], Tensor]
"""How n texts read, [n, K] float32, to somebody who knows the language; see `writer/reading.py`."""
BOUND = 3.0
"""Standard deviations that no column is beyond."""
MOST_DETAILS = 4
"""Words of a product's attributes beyond which a text that says more of them is not told from others."""


class Words:
    """A way of reading words: fitted on the log's own texts."""

    def __init__(self, kind: str, texts: Sequence[str], seed: int, dim: int = 200) -> None:
        """Fits the vocabulary. Kinds: words, characters, encoder."""
        self.kind, self._dim, self._seed = kind, dim, seed
        if kind == "encoder":
            self._encoder = _encoder(dim, seed)
        else:
            self._ngrams = (
                Ngrams(texts, cut=tokens, ngram_range=(1, 2), min_df=2, sublinear_tf=True)
                if kind == "words"
                else Ngrams(texts, analyzer="char_wb", ngram_range=(3, 5), min_df=3, sublinear_tf=True)
            )
            table = self._ngrams(texts)
            self._directions = TruncatedSVD(min(dim, min(table.shape) - 1), random_state=seed).fit(table).components_
        self._scale = self._vectors(texts).std(0, correction=0).mean().clamp(min=1e-6)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """[n, D] float32, of unit variance on average."""
        return self._vectors(texts) / self._scale

    def _vectors(self, texts: Sequence[str]) -> Tensor:
        if self.kind == "encoder":
            return self._encoder.encode(texts)
        return torch.from_numpy(np.asarray(self._ngrams(texts) @ self._directions.T).astype(np.float32))

    def state(self) -> dict[str, Any]:
        """What was learned."""
        found = {"kind": self.kind, "dim": self._dim, "seed": self._seed, "scale": self._scale}
        if self.kind == "encoder":
            return found
        return found | {"ngrams": self._ngrams.state(), "directions": self._directions}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "Words":
        """What `state` said."""
        again = cls.__new__(cls)
        again.kind, again._dim, again._seed = state["kind"], state["dim"], state["seed"]
        again._scale = torch.as_tensor(state["scale"])
        if again.kind == "encoder":
            again._encoder = _encoder(again._dim, again._seed)
        else:
            again._ngrams = Ngrams.restored(state["ngrams"], tokens if again.kind == "words" else None)
            again._directions = state["directions"]
        return again


def _encoder(dim: int, seed: int) -> TextEncoder:
    return TextEncoder(dim=dim, seed=1000 + seed, ngrams=(1, 2), words=True)


class Description:
    """What can be told of a text beside its words, the same for all members: bounded, and with its squares."""

    def __init__(
        self, catalog: Catalog, creatives: Sequence[Creative], reads: Reads | None, pictures: PictureTable | None = None
    ) -> None:
        """Takes the scale of each column from the log's own texts.

        Args:
            catalog: of the products that texts are about.
            creatives: of the log.
            reads: says how texts read; None where nobody does.
            pictures: those that texts stand beside; None where there are none.
        """
        self._catalog, self._reads, self._pictures = catalog, reads, pictures
        columns = self._columns(creatives)
        self._mean, self._spread = columns.mean(0), columns.std(0, correction=0).clamp(min=0.02)

    def about(self, catalog: Catalog, reads: Reads | None) -> "Description":
        """The same scales, for texts about another catalog, which `reads` says the reading of."""
        again = copy(self)
        again._catalog, again._reads = catalog, reads
        return again

    def state(self) -> dict[str, Any]:
        """What was learned; whether somebody has to say how texts read, and who it was, if he has a `fingerprint`."""
        reader = getattr(self._reads, "fingerprint", None)
        found = {"mean": self._mean, "spread": self._spread, "reads": self._reads is not None, "reader": reader}
        return found if self._pictures is None else found | {"pictures": self._pictures.state()}

    @classmethod
    def restored(cls, state: Mapping[str, Any], catalog: Catalog, reads: Reads | None) -> "Description":
        """What `state` said."""
        again = cls.__new__(cls)
        again._catalog, again._reads = catalog, reads
        again._mean, again._spread = torch.as_tensor(state["mean"]), torch.as_tensor(state["spread"])
        seen = state.get("pictures")
        again._pictures = None if seen is None else PictureTable.restored(seen)
        return again

    def __call__(self, creatives: Sequence[Creative]) -> Tensor:
        """[n, D] float32."""
        z = (self._columns(creatives) - self._mean) / self._spread
        z = BOUND * torch.tanh(z / BOUND)
        return torch.cat([z, z**2 / BOUND], dim=1)

    def _columns(self, creatives: Sequence[Creative]) -> Tensor:
        looks = torch.log1p(surface_features([creative.text for creative in creatives]))
        parts = [looks, product_words(self._catalog, creatives)]
        if self._reads is not None:
            parts.append(self._reads(creatives))
        if self._pictures is not None:
            parts.append(self._pictures.of_creatives(creatives, self._catalog))
        return torch.cat(parts, dim=1)


def product_words(catalog: Catalog, creatives: Sequence[Creative]) -> Tensor:
    """What texts say of their own product.

    Returns:
        [n, 4] float32: share of its title's words that are said; words of its attributes, up to `MOST_DETAILS`; whether
        all of its brand is said; and how far into the text the first of the title's words stands, 1 if none does.
    """
    rows = [_of_product(catalog[creative.product_id], tokens(creative.text)) for creative in creatives]
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def _of_product(product: Product, said: Sequence[str]) -> tuple[float, ...]:
    title, brand, details = (set(tokens(part)) for part in (product.title, product.brand, product.attribute_values))
    words = set(said)
    place = next((i / len(said) for i, word in enumerate(said) if word in title), 1.0)
    return (
        len(words & title) / max(len(title), 1),
        float(min(len(words & details), MOST_DETAILS)),
        float(bool(brand) and brand <= words),
        place,
    )
