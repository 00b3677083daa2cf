"""The GPT-2 writer's own representation of a text: what its last layer holds, averaged over the tokens.

The writer is warm-started on the training texts alone, which it reads and never scores: no click reaches it, and no
text that is held out.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ...simulation.data.catalog import EVERYONE, Catalog, Creative, Product
from ..learning.warm_start import WarmStartConfig, warm_start
from ..writer.prompts import prompt
from ..writer.writer import Writer, WriterConfig, make_writer

Array = NDArray[np.float64]

ANYTHING = Product("any", "headline", "news", 0.0)
"""What all texts are taken to be for: a model of texts must read one whose story it is not told."""
LINES = WarmStartConfig(lines=16_000)


def taught_writer(
    texts: Sequence[str],
    seed: int,
    device: torch.device | str = "cpu",
    config: WarmStartConfig = LINES,
    progress: Callable[[int, float], None] = lambda lines, loss: None,
) -> Writer:
    """The built-in writer, warm-started on texts; `progress` as in `warm_start`."""
    catalog = Catalog([ANYTHING], [Creative(ANYTHING.product_id, text) for text in dict.fromkeys(texts)])
    writer = make_writer(catalog, WriterConfig(), seed=seed, device=device)
    warm_start(writer, catalog, [], config, seed=seed, progress=progress)
    return writer


class WriterVectors:
    """Vectors of texts by a writer, [n, width]."""

    def __init__(self, writer: Writer, batch: int = 256) -> None:
        """Keeps the writer; texts are read in batches."""
        self._writer, self._batch = writer, batch

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Array:
        """Means over the tokens of each text, after the prompt that the writer learned to answer."""
        writer, asked = self._writer, prompt(ANYTHING, EVERYONE)
        before = len(writer.tokenizer(asked)["input_ids"])
        writer.model.eval()
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        found = np.zeros((len(texts), writer.model.config.hidden_size))
        for start in range(0, len(order), self._batch):
            chosen = order[start : start + self._batch]
            rows = writer.tokenizer(
                [f"{asked} {texts[i]}" for i in chosen],
                return_tensors="pt",
                padding=True,
                padding_side="right",
                truncation=True,
                max_length=128,
            ).to(writer.device)
            states = writer.model.base_model(
                input_ids=rows["input_ids"], attention_mask=rows["attention_mask"]
            ).last_hidden_state[:, before:]
            mask = rows["attention_mask"][:, before:, None].to(states.dtype)
            found[chosen] = ((states * mask).sum(1) / mask.sum(1).clamp(min=1)).double().cpu().numpy()
        return found
