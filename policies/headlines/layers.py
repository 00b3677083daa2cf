"""Vectors of texts from several layers of a pretrained network, computed once a text."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

MOST_TOKENS = 64
"""Headlines are shorter; what is longer is cut."""
KNOWN = 30_000
"""Texts whose vectors are remembered; they take 5 to 12 kB each."""


class LayerVectors(ABC):
    """Vectors of texts, [n, width] each, by name; the last word of a name is the layer's number."""

    means: tuple[str, ...] = ()
    """Names of means over a text's tokens, lowest layer first."""
    firsts: tuple[str, ...] = ()
    """Names of vectors of the first token."""
    title: str = ""
    """For people to read."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: dict[str, NDArray[np.float32]] = {}

    @abstractmethod
    def states(self, texts: Sequence[str]) -> tuple[Sequence[Tensor], Tensor]:
        """Of n texts, each layer's [n, tokens, width], the embedding's first; and [n, tokens], which tokens count."""

    def encode(self, texts: Sequence[str], batch: int = 64, progress: Callable[[int], None] = lambda n: None) -> None:
        """Computes vectors of texts that are not known yet, short ones first so that batches need little padding."""
        if len(self._known) > KNOWN:
            self._known = {text: self._known[text] for text in set(texts) & self._known.keys()}
        new = sorted(set(texts) - self._known.keys(), key=lambda text: (len(text), text))
        for start in range(0, len(new), batch):
            part = new[start : start + batch]
            with torch.inference_mode():
                states, counts = self.states(part)
            mask = counts[..., None].to(states[0].dtype)
            read = [(states[_depth(name)] * mask).sum(1) / mask.sum(1).clamp(min=1) for name in self.means]
            read += [states[_depth(name)][:, 0] for name in self.firsts]
            self._known.update(zip(part, torch.stack(read, 1).cpu().numpy(), strict=True))
            progress(len(part))

    def named(self, name: str) -> Callable[[Sequence[str]], Array]:
        """The vectors of one of `means` or `firsts`, as a function of texts."""
        place = (*self.means, *self.firsts).index(name)

        def vectors(texts: Sequence[str]) -> Array:
            self.encode(texts)
            return np.stack([self._known[text][place] for text in texts]).astype(np.float64)

        return vectors


def _depth(name: str) -> int:
    return int(name.rsplit(" ", 1)[1])
