"""Best-of-n: write several texts for each that is kept, and let the reward pick among them.

What is kept is picked together: a text's novelty is measured among the others that are kept, so that the same best
phrase is not taken for every product. It begins with the best text of each place by itself; then one block of places
after another takes the text of highest reward beside what the others hold, in `SWEEPS` passes.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..simulation.catalog import Creative, Product
from .diversity import novelty_in_place
from .reward import Rewards
from .writer import Writer

SCORED = 192
"""Texts scored at once: novelty is against those of the same batch, as it is while tuning."""
SWEEPS = 2
BLOCK = 16
"""Kept texts that are picked anew at once, each as if all others stayed: far from each other, of different prompts."""


class Picker(Protocol):
    """A reward that can score a text's novelty anew."""

    def __call__(self, creatives: Sequence[Creative], group: Tensor) -> Rewards:
        """Scores n creatives of [n] prompts."""
        ...

    def encode(self, creatives: Sequence[Creative]) -> Tensor:
        """[n, d] unit vectors that novelty is measured between."""
        ...

    def again(self, raw: dict[str, Tensor]) -> Rewards:
        """The reward of raw terms."""
        ...


def best_of(
    writer: Writer,
    asked: Sequence[tuple[Product, str]],
    kept: int,
    written: int,
    reward: Picker,
    generator: torch.Generator,
) -> list[Creative]:
    """Writes `kept` creatives a prompt, those of one prompt together, each picked among `written` by the reward.

    Args:
        writer: what proposes.
        asked: products and audiences.
        kept: creatives a prompt that are returned.
        written: texts for each of them; with 1 nothing is scored.
        reward: what picks; it is asked `kept * written` times a prompt.
        generator: as in `Writer.write`.
    """
    products, audiences = zip(*asked, strict=True)
    texts = writer.write(products, audiences, kept * written, generator=generator)
    if written == 1:
        return texts
    group = torch.arange(len(asked)).repeat_interleave(kept * written)
    return [texts[i] for i in picked(texts, group, written, reward).tolist()]


def picked(texts: Sequence[Creative], group: Tensor, written: int, reward: Picker) -> Tensor:
    """Row of the text that is kept of every `written` that follow each other, [n / written].

    Args:
        texts: n candidates.
        group: [n] the prompt each answers.
        written: candidates for each text that is kept.
        reward: what picks.
    """
    size = max(1, SCORED // written) * written
    parts = [reward(texts[i : i + size], group[i : i + size]) for i in range(0, len(texts), size)]
    raw = {name: torch.cat([part.raw[name] for part in parts]) for name in parts[0].raw}
    vectors, valid = reward.encode(texts), raw["failures"] == 0
    table = torch.arange(len(texts)).view(-1, written)
    kept = table[:, 0] + torch.cat([part.total for part in parts])[table].argmax(1)
    turns = max(math.ceil(len(table) / BLOCK), min(len(table), BLOCK))
    for turn in [*range(turns)] * SWEEPS:
        block = torch.arange(turn, len(table), turns)
        rows, place = table[block].flatten(), block.repeat_interleave(written)
        own = {name: values[rows] for name, values in raw.items()}
        novel = novelty_in_place(vectors[rows], place, group[kept], vectors[kept], valid[kept])
        own["diversity"] = torch.where(valid[rows], novel, 0.0)
        kept[block] = table[block, 0] + reward.again(own).total.view(-1, written).argmax(1)
    return kept


def choice_kl(written: int) -> float:
    """Most nats a text that choosing the best of so many moves the writer: log n - (n - 1) / n (Beirami et al., arXiv
    2401.01879).
    """
    return math.log(written) - (written - 1) / written
