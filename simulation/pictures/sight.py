"""What simulated users see in a picture: what it says for the product, as words do, how it draws, what it promises.

What each look says is the scenario's (`pictures.says`), and in part a taste that no list tells, drawn by the seed. As
with words, the terms are chosen for direction and shape; how much they count beside the text is measured on real tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..data.catalog import Catalog, Creative
from ..data.errors import InputError
from ..scenario import Scenario
from ..text.reading import Reader, Reading, Sight, TextReader
from .gallery import Gallery
from .looks import LOOKS, looks

BOUND = 2.0
"""Standard deviations of the catalog's pictures that no look is beyond."""
LAYOUT = 6
"""Cells along a side of the coarse picture that hidden tastes are about."""
HIDDEN = 0.5
"""Size of hidden tastes beside what the scenario says."""


class Viewer:
    """The gold's eye for the pictures of a catalog."""

    def __init__(self, scenario: Scenario, gallery: Gallery, seed: int | None) -> None:
        """Looks at all pictures once.

        Args:
            scenario: what looks say, and what an appeal is worth after the click.
            gallery: the pictures.
            seed: draws tastes that no list tells; None for none.

        Raises:
            InputError: the scenario speaks of a look that there is not.
        """
        self.gallery = gallery
        seen = gallery.vectors(_seen)
        looked, layout = seen[:, : len(LOOKS)], seen[:, len(LOOKS) :]
        z = _standard(looked)
        says = torch.tensor([[w.get(look, 0.0) for look in LOOKS] for w in _says(scenario)]).reshape(-1, len(LOOKS))
        rng = np.random.default_rng([seed or 0, 11])
        size = len(scenario.appeals) + 2
        drawn = torch.from_numpy(rng.standard_normal((layout.shape[1], size), dtype=np.float32))
        hidden = torch.tanh(_standard(layout) @ drawn / layout.shape[1] ** 0.5) * float(seed is not None)
        look = {name: z[:, i] for i, name in enumerate(LOOKS)}
        appeals = torch.tanh(z @ says.T + HIDDEN * hidden[:, 2:])
        overclaim = torch.sigmoid(3 * (look["badge"] + look["text"] - 1.5))
        # More contrast and colour help up to a point, as does a product that stands out; clutter puts off.
        pull = 0.4 * _peak(look["contrast"]) + 0.4 * _peak(look["colour"]) + 0.5 * torch.tanh(look["centre"])
        click = pull - 0.5 * torch.relu(look["clutter"]) + 0.35 * overclaim + HIDDEN * hidden[:, 0]
        worth = torch.tensor([appeal.convert for appeal in scenario.appeals.values()])
        convert = appeals @ worth + 0.3 * torch.tanh(look["plain"]) - 1.2 * overclaim + HIDDEN * hidden[:, 1]
        self._sight = Sight(appeals, click - click.mean(), convert - convert.mean(), overclaim)

    def see(self, images: Sequence[str]) -> Sight:
        """What n pictures say; of no picture, nothing."""
        rows = self.gallery.rows(images)
        there = rows >= 0
        take = lambda part: part[rows] * there.view(-1, *[1] * (part.dim() - 1))  # noqa: E731
        return Sight(**{f.name: take(getattr(self._sight, f.name)) for f in fields(Sight)})


@dataclass(frozen=True)
class SeeingReader:
    """A reader of texts who sees the pictures that they stand beside."""

    reader: Reader
    viewer: Viewer
    catalog: Catalog

    @property
    def judges_language(self) -> bool:
        """Whether the reader of texts knows garbled copy in the catalog's language."""
        return self.reader.judges_language

    def read(self, creatives: Sequence[Creative]) -> Reading:
        """Reads each text once, whatever pictures it stands beside."""
        texts = list(dict.fromkeys((c.product_id, c.text, c.audience) for c in creatives))
        number = {text: i for i, text in enumerate(texts)}
        rows = torch.tensor([number[c.product_id, c.text, c.audience] for c in creatives], dtype=torch.int64)
        reading = self.reader.read([Creative(*text) for text in texts])
        sight = self.viewer.see([self.catalog.image_of(creative) for creative in creatives])
        return reading.of(rows, sight)


def seeing_reader(scenario: Scenario, catalog: Catalog, gallery: Gallery, seed: int) -> SeeingReader:
    """The readers of a scenario, who see the pictures of a catalog's products."""
    return SeeingReader(TextReader(scenario, catalog, seed), Viewer(scenario, gallery, seed), catalog)


def _seen(pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
    """[n, looks + LAYOUT * LAYOUT * 3]: looks, and the colours of a coarse copy."""
    coarse = [Image.fromarray(picture).resize((LAYOUT, LAYOUT), Image.Resampling.BOX) for picture in pixels]
    layout = np.stack([np.asarray(picture, dtype=np.float32).ravel() / 255 for picture in coarse])
    return torch.cat([looks(pixels), torch.from_numpy(layout)], dim=1)


def _says(scenario: Scenario) -> list[dict[str, float]]:
    said = [scenario.pictures.says.get(appeal, {}) for appeal in scenario.appeals]
    if unknown := sorted({look for weights in said for look in weights} - set(LOOKS)):
        raise InputError(
            f"scenario {scenario.name}: pictures.says: '{unknown[0]}' is no look of a picture; give one of "
            f"{', '.join(LOOKS)}"
        )
    return said


def _standard(columns: Tensor) -> Tensor:
    z = (columns - columns.mean(0)) / columns.std(0, correction=0).clamp(min=1e-3)
    return BOUND * torch.tanh(z / BOUND)


def _peak(z: Tensor) -> Tensor:
    """Rises to 1 at one deviation above the usual, and falls again beyond it."""
    return torch.exp(-((z - 1) ** 2) / 2)
