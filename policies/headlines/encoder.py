"""What reads headlines beside their words: a sentence encoder, a language model, or both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ...simulation.data.errors import InputError
from .language_model import LanguageModelVectors, is_language_model
from .layers import Array, LayerVectors
from .sentence_encoder import SentenceVectors, packaged_encoder

PACKAGED = "packaged"
"""Name of the encoder that the `encoder` extra brings."""


@dataclass(frozen=True)
class Encoder:
    """Sources of vectors, and the name by which what was learned from them finds them again."""

    name: str
    """`PACKAGED`, a path, or two of them with a comma between."""
    sources: tuple[LayerVectors, ...]

    @property
    def title(self) -> str:
        """For people to read."""
        return " and ".join(source.title for source in self.sources)

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] = lambda n: None) -> None:
        """Computes vectors of texts; `progress` is called with the number of texts done, once for every source."""
        for source in self.sources:
            source.encode(texts, progress=progress)

    def layer(self, name: str) -> Callable[[Sequence[str]], Array]:
        """The vectors of a layer of one of the sources, as a function of texts."""
        return next(source for source in self.sources if name in (*source.means, *source.firsts)).named(name)

    @classmethod
    def chosen(cls, choice: str, device: torch.device | str = "cpu") -> "Encoder | None":
        """What a user asks for.

        Args:
            choice: a sentence-transformers directory, a language model (a directory or a GGUF file), or one of each
                with a comma between; packaged, that of the `encoder` extra; auto, the same if it is installed; or none.
            device: where it computes.

        Raises:
            InputError: one is no model, two are of one kind, or the extra is missing.
        """
        if choice == "none" or (choice == "auto" and packaged_encoder() is None):
            return None
        return cls.named(PACKAGED if choice == "auto" else choice, device)

    @classmethod
    def named(cls, name: str, device: torch.device | str = "cpu") -> "Encoder | None":
        """That of something that was learned; None for the empty name.

        Raises:
            InputError: as `chosen`.
        """
        if not name:
            return None
        sources = tuple(_source(part.strip(), device) for part in name.split(","))
        if len({type(source) for source in sources}) < len(sources):
            raise InputError(
                f"--encoder {name}: two of one kind; give one sentence encoder, one language model, or both"
            )
        return cls(name, sources)


def _source(name: str, device: torch.device | str) -> LayerVectors:
    path = packaged_encoder() if name == PACKAGED else Path(name)
    if path is None:
        raise InputError("this reads sentence vectors: pip install 'copybandit[encoder]'")
    return LanguageModelVectors(path, device) if is_language_model(path) else SentenceVectors(path, device)
