"""A limit of characters that is kept as a text is sampled, not by cutting it afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ...simulation.text.characters import characters

LEAST = 0.1
"""Of the probability of the next token, the share that fits into the limit: with less, a text that went on would be one
that was cut, and is given up.
"""
TRIES = 8
"""Times that a prompt is answered before its last answer ends where the model would most readily end it."""


@dataclass(frozen=True)
class Limit:
    """Most characters of an answer, and how many each token may add to it; both tensors [V]."""

    most: int
    first: Tensor
    """Of a token that begins an answer, of which spaces at the start are taken off."""
    later: Tensor

    def to(self, device: torch.device) -> "Limit":
        """The same on a device."""
        return Limit(self.most, self.first.to(device), self.later.to(device))


def limit_of(tokenizer: PreTrainedTokenizerBase, rows: int, most: int) -> Limit:
    """The limit for a tokenizer's answers.

    A token counts what it adds to the text before it, and a part of a character counts as one: the sum over an answer
    is never less than its characters.

    Args:
        tokenizer: whose tokens they are.
        rows: tokens that the model may say; those that the tokenizer does not know never fit.
        most: characters.
    """
    reader: Any = tokenizer
    anchor: list[int] = reader("a", add_special_tokens=False)["input_ids"]
    begun = characters(_decoded(reader, [anchor])[0])
    known = range(len(reader))
    alone = [characters(text.lstrip()) for text in _decoded(reader, [[i] for i in known])]
    after = [characters(text) - begun for text in _decoded(reader, [[*anchor, i] for i in known])]
    first, later = (torch.full((rows,), most + 1, dtype=torch.int32) for _ in range(2))
    first[: len(alone)] = torch.tensor(alone, dtype=torch.int32)[:rows]
    later[: len(after)] = torch.tensor(after, dtype=torch.int32).clamp(min=0)[:rows]
    return Limit(most, first, later)


def _decoded(tokenizer: Any, rows: Sequence[list[int]]) -> list[str]:
    return list(tokenizer.batch_decode(rows, skip_special_tokens=True))
