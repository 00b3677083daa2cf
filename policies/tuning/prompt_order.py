"""Which prompts a batch asks, whatever the trainer's data loader drew."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from accelerate import PartialState
from transformers import DataCollatorWithPadding

from ..writer.writer import Writer


class PromptOrder:
    """Which prompts a batch asks: pass after pass over all of them, each in a random order of its own."""

    def __init__(self, prompts: int, batch: int, seed: int) -> None:
        """Sets how many prompts there are, and how many a batch asks."""
        self.prompts, self.batch, self.seed = prompts, batch, seed

    def __call__(self, number: int) -> list[int]:
        """Indices of the prompts of batch `number`, counted from 0; the same whatever was asked before."""
        places = range(number * self.batch, (number + 1) * self.batch)
        orders = {place // self.prompts for place in places}
        order = {i: np.random.default_rng([self.seed, i]).permutation(self.prompts) for i in orders}
        return [int(order[place // self.prompts][place % self.prompts]) for place in places]


class Collator:
    """Fills TRL's batches: whatever rows its loader drew, the next prompts of our order, each `group` times."""

    def __init__(self, writer: Writer, prompts: Sequence[str], order: PromptOrder, group: int, first: int) -> None:
        """Tokenizes the prompts; `first` is the number of the batch that comes first."""
        self._pad = DataCollatorWithPadding(writer.tokenizer)
        self._rows = [{"input_ids": ids} for ids in writer.prompt_ids(prompts)]
        self._order, self._group, self._next = order, group, first

    def __call__(self, rows: list[int]) -> Any:
        """Ids and mask of the next batch's prompts, padded; `rows` does not matter."""
        state = PartialState()
        number = self._next * state.num_processes + state.process_index
        self._next += 1
        return self._pad([self._rows[i] for i in self._order(number) for _ in range(self._group)])
