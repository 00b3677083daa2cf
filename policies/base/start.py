"""The writer that a run begins with: the base that comes along, where it reads the catalog's language, or another."""

from pathlib import Path

import torch

from ...simulation.data.catalog import Catalog
from ...simulation.reader.garbled import is_english
from ..writer.chat import AD
from ..writer.writer import BUILT_IN, Writer, WriterConfig, load_writer, make_writer

BASE = "base"
FOLDER = Path(__file__).parent / "weights"
NOT_ENGLISH = (
    "The base writes English alone, and this catalog's texts have not its function words: the writer learned from the "
    "catalog's own ads, from nothing (--model built-in)."
)


def load_base(config: WriterConfig, *, device: torch.device | str = "cpu") -> Writer:
    """The base that comes along."""
    return load_writer(str(FOLDER), config, seed=0, device=device)


def first_writer(
    catalog: Catalog,
    config: WriterConfig,
    *,
    seed: int,
    model: str = BASE,
    device: torch.device | str = "cpu",
    request: str = AD,
) -> tuple[Writer, str]:
    """The writer before it has learned anything of a catalog.

    Args:
        catalog: what will be written for.
        config: sampling, and the sizes of a model that is made for the catalog.
        seed: of first weights.
        model: base, built-in, or what `make_writer` takes.
        device: where it goes.
        request: what a model with a chat template is asked to write, if `config` does not say.

    Returns:
        The writer, and a note where it is not the one that was asked for, else nothing.

    Raises:
        InputError: the model cannot be loaded.
    """
    if model == BASE and is_english(catalog.texts()):
        return load_base(config, device=device), ""
    note = NOT_ENGLISH if model == BASE else ""
    model = BUILT_IN if model == BASE else model
    return make_writer(catalog, config, seed=seed, model=model, device=device, request=request), note
