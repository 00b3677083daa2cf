"""The pictures of a catalog by name: read from files or drawn, whenever somebody looks at them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.catalog import Catalog
from ..data.errors import InputError
from .drawn import draw
from .files import Picture, of_pixels, read_picture

Encode = Callable[[Sequence[NDArray[np.uint8]]], Tensor]
"""n pictures' pixels to [n, D]."""
AT_ONCE = 64
"""Pictures in memory."""


class Gallery:
    """Pictures that are loaded when they are asked for; equal ones are encoded once."""

    def __init__(self, load: Mapping[str, Callable[[], Picture]]) -> None:
        """Takes by name what gives each picture."""
        self._load = dict(load)
        self.number = {name: i for i, name in enumerate(self._load)}
        """The row of each picture in what `vectors` gives."""

    def __len__(self) -> int:
        return len(self._load)

    def __getitem__(self, name: str) -> Picture:
        return self._load[name]()

    def pictures(self) -> Iterator[Picture]:
        """All of them, one after the other."""
        return (load() for load in self._load.values())

    def vectors(self, encode: Encode, progress: Callable[[int], None] = lambda n: None) -> Tensor:
        """[pictures, D], in their order.

        Args:
            encode: [n, D] of n pictures.
            progress: called with the number of pictures done.
        """
        known: dict[str, int] = {}
        rows, fresh, parts = [], [], []
        for picture in self.pictures():
            if picture.digest not in known:
                known[picture.digest] = len(known)
                fresh.append(picture.pixels)
            rows.append(known[picture.digest])
            if len(fresh) == AT_ONCE:
                parts.append(encode(fresh))
                fresh = []
            progress(1)
        return torch.cat([*parts, encode(fresh)] if fresh else parts)[rows]

    def rows(self, names: Sequence[str]) -> Tensor:
        """[n] int64 rows of pictures by name; -1 for "" and what is not here."""
        return torch.tensor([self.number.get(name, -1) for name in names], dtype=torch.int64)


def files_of(catalog: Catalog, source: Path, progress: Callable[[int], None] = lambda n: None) -> Gallery:
    """The pictures that a catalog names, each read once to see that it is one.

    Args:
        catalog: its products name files, relative to the catalog's folder.
        source: the catalog's file.
        progress: called after each with 1.

    Raises:
        InputError: naming the product, the file and the remedy: it is missing, no picture, animated, too large, or its
            path leads out of the catalog's folder.
    """
    folder, load = source.resolve().parent, {}
    for row, product in enumerate(catalog.products):
        for name in product.images:
            path = folder / name
            try:
                if folder not in path.resolve().parents:
                    raise InputError(f"{name}: leads out of the catalog's folder; put the picture beside the catalog")
                read_picture(path)
            except InputError as error:
                raise InputError(f"{source}: row {row + 2}: product '{product.product_id}': {error}") from None
            load[name] = partial(read_picture, path)
            progress(1)
    return Gallery(load)


def drawn_for(catalog: Catalog, each: int, seed: int) -> tuple[Catalog, Gallery]:
    """The catalog with pictures that are drawn, so many a product, and those pictures."""
    images = {p.product_id: [f"{p.product_id}.{i}" for i in range(each)] for p in catalog.products}
    load = {
        name: partial(_drawn, catalog, product.product_id, i, seed)
        for product in catalog.products
        for i, name in enumerate(images[product.product_id])
    }
    return catalog.with_images(images), Gallery(load)


def _drawn(catalog: Catalog, product_id: str, number: int, seed: int) -> Picture:
    return of_pixels(draw(catalog[product_id], number, seed))
