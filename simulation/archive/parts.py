"""A fitted archive's reader in numbers and tensors, for the world file. Texts are those of the catalog's ads."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.catalog import Catalog
from ..scenario import Scenario
from .gold import ArchiveReader
from .own_effects import OwnEffects
from .text_process import TextMean, TextProcess


def archive_parts(reader: ArchiveReader, catalog: Catalog) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `archive_reader` makes the reader of again: facts, and tensors named `archive.…`."""
    process, own = reader.process, reader.own
    assert isinstance(process, TextProcess)
    assert own is not None
    number = {(ad.product_id, ad.text): i for i, ad in enumerate(catalog.ads)}
    learned = zip(process.learned.test_id, process.learned.text, strict=True)
    mean, deviation = np.array(list(own.tested.values())).T
    tensors = {
        "learned": torch.tensor([number[key] for key in learned]),
        "weights": torch.tensor(process.weights),
        "tested": torch.tensor([number[key] for key in own.tested]),
        "mean": torch.tensor(mean),
        "deviation": torch.tensor(deviation),
    }
    facts = {"scale": process.scale, "deviation": own.deviation, "seed": own.seed}
    return facts, {f"archive.{name}": value.contiguous() for name, value in tensors.items()}


def archive_reader(
    facts: Mapping[str, Any], tensors: Mapping[str, Tensor], scenario: Scenario, catalog: Catalog
) -> ArchiveReader:
    """The reader of a world file."""
    learned, weights, tested, mean, deviation = (
        tensors[f"archive.{name}"].numpy() for name in ("learned", "weights", "tested", "mean", "deviation")
    )
    process = TextMean.of([catalog.ads[i].text for i in learned], weights, facts["scale"])
    keys = [(catalog.ads[i].product_id, catalog.ads[i].text) for i in tested]
    known = dict(zip(keys, zip(mean.tolist(), deviation.tolist(), strict=True), strict=True))
    own = OwnEffects(facts["deviation"], facts["seed"], known)
    return ArchiveReader(process, scenario, catalog, [ad.text for ad in catalog.ads], own)
