"""How garbled a text is to the gold's readers: the shipped network, and where it keeps silent."""

import copy
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.catalog import Catalog
from ..data.tensor_file import load_tensors, save_tensors
from .hands import FUNCTION
from .network import Network, ReaderSizes, read_words
from .pairs import quantized

SHIPPED = Path(__file__).parent / "weights" / "reader.safetensors"
FORMAT_VERSION = 1
ENGLISH = 0.15
"""Least share of function words in a catalog's texts for them to be read: English ad copy has a quarter to a half."""
COMMON = 0.7
"""Least share of common English words in texts that lack those; German, French or Dutch ads have half or less."""
SURE = 0.1
"""Doubt below which a text is not garbled at all, and as near to one beyond which it is so wholly."""
SPARED = 0.05
"""Share of real texts that lenient readers still take for garbled."""
FEW, MEASURED = 200, 2000
"""Sound texts below which leniency is not learned, and of which it is learned at most."""
BATCH = 512
KEPT = 2**17
"""Texts whose reading is kept."""


class GarbledReader:
    """Reads single texts."""

    def __init__(self, network: Network, threshold: float, sharpness: float) -> None:
        """Takes a fitted network.

        Args:
            network: its logits.
            threshold: the logit at which a text is as garbled as not.
            sharpness: factor on what lies beyond it.
        """
        self.network, self.threshold, self.sharpness = network.eval(), threshold, sharpness
        # Summed in double precision, a text's reading does not depend, to the last bit, on what is read beside it.
        self._exact = copy.deepcopy(network).double()

    @torch.no_grad()
    def logits(self, texts: Sequence[str], own: AbstractSet[str] = frozenset()) -> Tensor:
        """[n] float32, the network's word on each text, those of like length together.

        Args:
            texts: n of them.
            own: words that are known beside those of the reader, such as names of a catalog.
        """
        cut = [read_words(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda i: len(cut[i]))
        found = torch.zeros(len(texts))
        for start in range(0, len(order), BATCH):
            at = order[start : start + BATCH]
            found[at] = self._exact(self._exact.encode([cut[i] for i in at], own))[0].float()
        return found

    def read(self, texts: Sequence[str], own: AbstractSet[str] = frozenset(), leniency: float = 0.0) -> Tensor:
        """[n] float32 in [0, 1], how garbled each text is; an empty one is not. See `logits`; `leniency` is taken off
        them.
        """
        said = torch.tensor([bool(read_words(text)) for text in texts])
        # A sigmoid in single precision has other last bits where it runs over a vector's end: in double, as above.
        doubt = torch.sigmoid(self.sharpness * (self.logits(texts, own).double() - leniency - self.threshold))
        return (((doubt - SURE) / (1 - 2 * SURE)).clamp(0, 1) * said).float()

    def save(self, path: Path, card: Mapping[str, Any]) -> None:
        """Writes what `load_reader` reads: tables of words in 8 bits, the other weights in 16."""
        tensors: dict[str, Tensor] = {}
        for name, value in self.network.state_dict().items():
            if name in ("follows", "leads"):
                tensors[name], tensors[f"{name}.step"] = quantized(value)
            else:
                tensors[name] = value if name == "spelled" else value.half()
        facts = {
            "sizes": asdict(self.network.sizes),
            "vocabulary": " ".join(self.network.vocabulary),
            "threshold": self.threshold,
            "sharpness": self.sharpness,
            "card": dict(card),
        }
        save_tensors(path, tensors, facts, kind="reader", format_version=FORMAT_VERSION)


def load_reader(path: Path) -> tuple[GarbledReader, dict[str, Any]]:
    """A reader and its card.

    Raises:
        InputError: no such file, or it is torn, altered or of another kind.
    """
    tensors, facts = load_tensors(path, kind="reader", format_version=FORMAT_VERSION, finite=True)
    tables = {name: tensors.pop(name).float() * tensors.pop(f"{name}.step") for name in ("follows", "leads")}
    sizes = ReaderSizes(**facts["sizes"])
    with torch.random.fork_rng(devices=[]):
        network = Network(facts["vocabulary"].split(" "), tables["follows"], tables["leads"], tensors["spelled"], sizes)
    weights = {name: value if name == "spelled" else value.float() for name, value in tensors.items()}
    network.load_state_dict(weights | tables)
    return GarbledReader(network, facts["threshold"], facts["sharpness"]), facts["card"]


@cache
def shipped_reader() -> GarbledReader:
    """The reader that comes with the package, made by `copybandit reader`."""
    return load_reader(SHIPPED)[0]


class GarbledCopy:
    """The readers of a catalog: those of English know garbled copy, those of other languages are not modelled."""

    def __init__(self, catalog: Catalog, sound: Sequence[str] = ()) -> None:
        """Finds out whether the catalog is in English, by its function words; its readers know its own words.

        Args:
            catalog: what the readers are used to.
            sound: real texts, such as tested headlines: readers know their words, too, and are so lenient that of such
                as they have not met all but `SPARED` are well put to them. Trades differ in what they call that.
        """
        texts = [*catalog.texts(), *sound]
        self.judges = is_english(texts)
        self._own = _words(texts)
        self._kept: dict[str, float] = {}
        self.leniency = _leniency(catalog.texts(), sound) if self.judges and len(sound) >= FEW else 0.0

    def read(self, texts: Sequence[str]) -> Tensor:
        """[n] in [0, 1], how garbled each text is; 0 for all where the language is not English."""
        if not self.judges:
            return torch.zeros(len(texts))
        if len(self._kept) > KEPT:
            self._kept.clear()
        fresh = [text for text in dict.fromkeys(texts) if text not in self._kept]
        if fresh:
            self._kept |= zip(fresh, shipped_reader().read(fresh, self._own, self.leniency).tolist(), strict=True)
        return torch.tensor([self._kept[text] for text in texts], dtype=torch.float32)


def _leniency(texts: Sequence[str], sound: Sequence[str]) -> float:
    """What is taken off logits: the second half of the sound texts stands for those that nobody has met."""
    half = len(sound) // 2
    met, unmet = [*texts, *sound[:half]], sound[half:]
    unmet = unmet[:: -(-len(unmet) // MEASURED)]
    logits = shipped_reader().logits(unmet, _words(met))
    return max(0.0, float(logits.quantile(1 - SPARED)) - shipped_reader().threshold)


def _words(texts: Sequence[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in read_words(text))


def is_english(texts: Sequence[str]) -> bool:
    """Whether texts use the function words of English as often as English does; or, as headlines may leave them out,
    whether nearly all of their words are common ones of English.
    """
    found = [word for text in texts for word in read_words(text) if word[0].isalnum()]
    if found and sum(word in FUNCTION for word in found) / len(found) >= ENGLISH:
        return True
    words, known = [word for word in found if word[0].isalpha()], shipped_reader().network.number
    return bool(words) and sum(word in known for word in words) / len(words) >= COMMON
