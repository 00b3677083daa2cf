"""The pictures of a study: those that a catalog names, or some that are drawn, and how the effect model sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...policies.pictures.columns import PictureTable
from ...policies.pictures.encoder import chosen_encoder
from ...policies.pictures.kept import KeptVectors
from ...simulation.data.catalog import Catalog, Creative
from ...simulation.data.errors import InputError
from ...simulation.pictures.gallery import Gallery, drawn_for, files_of
from ...simulation.scenario import catalog_file
from ...simulation.world_file import is_world_file
from ..harness.run import Run
from .options import StudyOptions

LOGGED = 2
"""Pictures that each text is logged beside, drawn from its product's."""


@dataclass(frozen=True)
class Pictures:
    """Pictures, and what the effect model sees of them."""

    gallery: Gallery
    table: PictureTable
    drawn: bool
    """By the project, for want of others."""


def with_pictures(catalog: Catalog, options: StudyOptions, run: Run) -> tuple[Catalog, Pictures | None]:
    """The catalog with the pictures that the options ask for, and these; without any where there are none.

    Raises:
        InputError: a picture cannot be read, the encoder is not installed, or pictures are asked for in a world that
            was fitted to a log of texts.
    """
    asked, seed = options.pictures, options.run.seed
    if is_world_file(options.world.scenario):
        if asked.images == "drawn":
            raise InputError(
                f"--images drawn: the users of {options.world.scenario} were fitted to a log and see no pictures; "
                "leave it out, or give a built-in --scenario"
            )
        return catalog.with_images({}), None
    if asked.images == "drawn":
        catalog, gallery = drawn_for(catalog, asked.drawn_images, seed)
    elif asked.images == "auto" and any(product.images for product in catalog.products):
        gallery = _read(catalog, options.data.catalog or catalog_file(options.world.scenario), run)
    else:
        return catalog.with_images({}), None
    with run.stage("pictures", total=len(gallery)) as stage:
        encoder = chosen_encoder(asked.image_encoder)
        if asked.image_cache is not None and encoder is not None:
            encoder = KeptVectors(encoder, asked.image_cache)
        table = PictureTable.of(gallery, encoder, stage.advance)
        stage.advance(0, f"seen by {table.seen_by}")
    return catalog, Pictures(gallery, table, asked.images == "drawn")


def _read(catalog: Catalog, source: Path, run: Run) -> Gallery:
    total = sum(len(p.images) for p in catalog.products)
    with run.stage("reading pictures", total=total, checks=True) as stage:
        return files_of(catalog, source, stage.advance)


def beside_pictures(catalog: Catalog, creatives: Sequence[Creative], seed: int) -> list[Creative]:
    """Each creative beside `LOGGED` different pictures of its product, drawn at random, unless it has one already."""
    random = np.random.default_rng(seed)
    found: list[Creative] = []
    for creative in creatives:
        images = catalog[creative.product_id].images
        if creative.image or not images:
            found.append(creative)
            continue
        drawn = random.choice(len(images), size=min(LOGGED, len(images)), replace=False)
        found += [replace(creative, image=images[i]) for i in drawn]
    return list(dict.fromkeys(found))
