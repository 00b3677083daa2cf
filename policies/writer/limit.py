"""A limit of characters that is kept as a text is sampled, not by cutting it afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ...simulation.text.characters import characters
from .placeholders import held, placeholders_of, takes_an

LEAST = 0.1
"""Of the probability of the next token, the share that fits into the limit: with less, a text that went on would be one
that was cut, and is given up.
"""
TRIES = 8
"""Times that a prompt is answered before its last answer ends where the model would most readily end it."""


@dataclass(frozen=True)
class Limit:
    """Most characters of an answer, and how many each token may add to it: tensors [V], or [n, V] for n prompts."""

    most: int
    first: Tensor
    """Of a token that begins an answer, of which spaces at the start are taken off."""
    later: Tensor
    tokenizer: Any = None
    """Reads prompts, where there are placeholders."""

    def of(self, ids: Tensor) -> "Limit":
        """The limit for answers to [n, P] prompts: a placeholder adds what its prompt holds."""
        n, reader = len(ids), self.tokenizer
        first, later = (part.to(ids.device).expand(n, -1) for part in (self.first, self.later))
        if reader is not None and (names := placeholders_of(reader)):
            values = [held(text) for text in reader.batch_decode(ids, skip_special_tokens=True)]
            adds = [[_added(row.get(name, "")) for name in names.values()] for row in values]
            width, first, later = torch.tensor(adds, device=ids.device).int(), first.clone(), later.clone()
            first[:, list(names)], later[:, list(names)] = width, width + 1
        return Limit(self.most, first, later, self.tokenizer)


def _added(value: str) -> int:
    """Characters of what a placeholder stands for, and of the n that it may give its article."""
    return characters(value) + takes_an(value)


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
    return Limit(most, first, later, tokenizer)


def _decoded(tokenizer: Any, rows: Sequence[list[int]]) -> list[str]:
    return list(tokenizer.batch_decode(rows, skip_special_tokens=True))
