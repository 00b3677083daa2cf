"""Vectors of texts by a causal language model that has read much: means over tokens of layers in its middle.

Its last layer is about the next word; the middle knows more of how a line is put. A token sees those before it alone,
so the first one says nothing of the text, and is left out of the means.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...simulation.data.errors import InputError
from ..writer.loading import load_model
from .layers import MOST_TOKENS, LayerVectors

DEPTHS = (1 / 3, 7 / 15, 3 / 5)
"""Of the layers that are read, from the bottom."""


def is_language_model(path: Path) -> bool:
    """Whether a path is that of a GGUF file, or of a directory whose model continues texts."""
    try:
        named = json.loads((path / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    except (OSError, ValueError):
        named = []
    return path.suffix == ".gguf" or any(str(name).endswith(("CausalLM", "LMHeadModel")) for name in named)


class LanguageModelVectors(LayerVectors):
    """Vectors by a causal language model."""

    def __init__(self, path: Path, device: torch.device | str = "cpu") -> None:
        """Opens a directory or a GGUF file.

        Raises:
            InputError: see `load_model`.
        """
        super().__init__()
        try:
            self._tokenizer, model = load_model(str(path), seed=0)
        except InputError as error:
            raise InputError(str(error).replace("--model", "--encoder", 1)) from None
        self._model = model.base_model.to(device).eval()
        self.title = path.name
        layers = int(model.config.num_hidden_layers)
        depths = sorted({max(1, round(layers * depth)) for depth in DEPTHS})
        self.means = tuple(f"language model, layer {depth}" for depth in depths)

    def states(self, texts: Sequence[str]) -> tuple[Sequence[Tensor], Tensor]:
        """See `LayerVectors.states`."""
        begin = self._tokenizer.bos_token or self._tokenizer.eos_token or ""
        found = self._tokenizer(
            [f"{begin}{text}" for text in texts],
            padding=True,
            padding_side="right",
            truncation=True,
            max_length=MOST_TOKENS + 1,
            add_special_tokens=False,
            return_tensors="pt",
        ).to(self._model.device)
        states = self._model(**found, output_hidden_states=True, use_cache=False).hidden_states
        counts = found["attention_mask"].clone()
        counts[:, 0] = 0
        return states, counts
