"""The writer that a run begins with: the base, where it can write for the catalog, or another that was asked for."""

import torch

from ...simulation.data.catalog import Catalog
from ..writer.writer import BUILT_IN, Writer, WriterConfig, make_writer, prompt
from .load import load_base
from .taught import nats_a_character

BASE = "base"
READABLE = 3.0
"""Nats a character up to which the base can write in a catalog's language; see `reads`."""
SAMPLED = 200
"""Ads that are looked at."""


def first_writer(
    catalog: Catalog, config: WriterConfig, *, seed: int, model: str = BASE, device: torch.device | str = "cpu"
) -> tuple[Writer, str]:
    """The writer before it has learned anything of a catalog.

    Args:
        catalog: what will be written for.
        config: sampling, and the sizes of a model that is made for the catalog.
        seed: of first weights.
        model: base, built-in, or any Hugging Face causal LM by name or path.
        device: where it goes.

    Returns:
        The writer, and a note where it is not the one that was asked for, else nothing.

    Raises:
        InputError: the model cannot be loaded.
    """
    if model != BASE:
        return make_writer(catalog, config, seed=seed, model=model, device=device), ""
    base = load_base(config, device=device)
    nats = reads(base, catalog)
    if nats <= READABLE:
        return base, ""
    note = (
        f"The base writes English alone, and finds this catalog's texts unlikely ({nats:.1f} nats a character, "
        f"{READABLE:g} at most): the writer learns from the catalog's own ads, from nothing."
    )
    return make_writer(catalog, config, seed=seed, model=BUILT_IN, device=device), note


def reads(base: Writer, catalog: Catalog) -> float:
    """Nats a character of a catalog's ads, or of its titles where it has none, to the base."""
    texts = [ad.text for ad in catalog.ads] or [prompt(product) for product in catalog.products]
    some = texts[:: max(1, len(texts) // SAMPLED)]
    scores = nats_a_character(base, some)
    return sum(scores) / len(scores)
