"""What is a text's own: how far its clicks depart from what a model of its words expects.

Models of words explain a tenth of the difference between real headlines. A world without the rest would have texts that
hardly differ, and placement nothing to find.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from scipy.stats import norm

from ..data.catalog import Creative
from .contrasts import Array


@dataclass(frozen=True)
class OwnEffects:
    """Log-odds of texts, drawn once for all: the same text under the same seed has the same."""

    deviation: float
    """Standard deviation about what is expected, of texts that were never tested."""
    seed: int
    tested: Mapping[tuple[str, str], tuple[float, float]]
    """Mean and standard deviation, given their test, of texts by product and text."""

    def __call__(self, creatives: Sequence[Creative], expected: Callable[[Sequence[str]], Array]) -> Array:
        """[n] log-odds; `expected` is asked for those of texts that were not tested."""
        new = ~self.was_tested(creatives)
        texts = [creative.text for creative in creatives]
        mean, deviation = np.zeros(len(texts)), np.full(len(texts), self.deviation)
        mean[new] = expected([text for text, unknown in zip(texts, new, strict=True) if unknown])
        for i in np.flatnonzero(~new).tolist():
            mean[i], deviation[i] = self.tested[creatives[i].product_id, texts[i]]
        return mean + deviation * normal_of(texts, self.seed)

    def was_tested(self, creatives: Sequence[Creative]) -> np.ndarray:
        """[n] bool."""
        return np.array([(creative.product_id, creative.text) in self.tested for creative in creatives], dtype=bool)


def normal_of(texts: Sequence[str], seed: int) -> Array:
    """[n] standard normal numbers that text and seed decide, on any machine."""
    hashes = [blake2b(f"{seed} {text}".encode(), digest_size=8).digest() for text in texts]
    uniform = [(int.from_bytes(digest, "big") + 0.5) / 2**64 for digest in hashes]
    return np.asarray(norm.ppf(uniform), dtype=np.float64)
