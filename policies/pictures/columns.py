"""What a model sees of a creative's picture: its looks and its vector, in a few columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...simulation.data.catalog import Catalog, Creative
from ...simulation.pictures.gallery import Gallery
from ...simulation.pictures.looks import LOOKS, looks
from .encoder import PictureEncoder
from .kept import KeptVectors

WIDTH = 24
"""Most columns of a picture."""


@dataclass(frozen=True)
class PictureTable:
    """The pictures of a catalog, a row each, in columns of unit variance of which the first say most."""

    names: tuple[str, ...]
    columns: Tensor
    """[pictures, P] float32."""
    seen_by: str
    """Who looked, for people."""

    @classmethod
    def of(
        cls,
        gallery: Gallery,
        encoder: PictureEncoder | KeptVectors | None,
        progress: Callable[[int], None] = lambda n: None,
    ) -> "PictureTable":
        """Principal components of the looks and, where there is an encoder, of its vectors; both count alike.

        Args:
            gallery: the pictures.
            encoder: beside the looks; None for none.
            progress: called with the number of pictures done.
        """
        width = len(LOOKS)

        def see(pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
            return looks(pixels) if encoder is None else torch.cat([looks(pixels), encoder.encode(pixels)], dim=1)

        seen = gallery.vectors(see, progress)
        first = _whitened(seen[:, :width])
        blocks = [first] if encoder is None else [first, _block(seen[:, width:])]
        columns = _components(torch.cat([_block(block) for block in blocks], dim=1))
        by = "looks (colour, contrast, edges, lettering)"
        return cls(tuple(gallery.number), columns, by if encoder is None else f"{by} and {encoder.title}")

    def of_creatives(self, creatives: Sequence[Creative], catalog: Catalog) -> Tensor:
        """[n, P]; zeros where there is no picture."""
        number = {name: i for i, name in enumerate(self.names)}
        rows = torch.tensor([number.get(catalog.image_of(creative), -1) for creative in creatives], dtype=torch.int64)
        return self.columns[rows] * (rows >= 0)[:, None]

    def state(self) -> dict[str, Any]:
        """All of it."""
        return {"names": list(self.names), "columns": self.columns, "seen_by": self.seen_by}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "PictureTable":
        """What `state` said."""
        return cls(tuple(state["names"]), torch.as_tensor(state["columns"]), state["seen_by"])


def _whitened(columns: Tensor) -> Tensor:
    return (columns - columns.mean(0)) / columns.std(0, correction=0).clamp(min=1e-3)


def _block(columns: Tensor) -> Tensor:
    """Columns about their means, of total variance 1."""
    centred = columns - columns.mean(0)
    return centred / centred.square().sum(1).mean().sqrt().clamp(min=1e-6)


def _components(columns: Tensor) -> Tensor:
    """[n, at most `WIDTH`] principal components, each of unit variance; those that hardly vary are left out."""
    left, size, _ = np.linalg.svd(columns.double().numpy() - columns.double().mean(0).numpy(), full_matrices=False)
    kept = (size > 1e-3 * size[0]) & (np.arange(len(size)) < WIDTH) if size[0] > 0 else np.zeros(len(size), dtype=bool)
    # The sign of a component is arbitrary: its largest entry is made positive, so that the same pictures give the same.
    left = left[:, kept]
    sign = np.sign(left[np.abs(left).argmax(0), np.arange(left.shape[1])]) if left.shape[1] else np.ones(0)
    return torch.from_numpy((left * sign * len(columns) ** 0.5).astype(np.float32))
