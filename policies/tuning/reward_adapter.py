"""The reward as the module that TRL's trainers take for a reward model."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from ...simulation.data.catalog import Creative, Product
from ..reward.reward import RewardFunction, Rewards
from ..writer.prompts import prompt
from ..writer.writer import Writer


class RewardAdapter(nn.Module):
    """Looks like a reward model to TRL: `backbone` passes ids on, `score` decodes and rewards them."""

    base_model_prefix = "backbone"

    def __init__(
        self, writer: Writer, asked: Sequence[tuple[Product, str]], reward: RewardFunction, *, grouped: bool = True
    ) -> None:
        """Keeps what it scores with; `grouped` centres scores on their prompt."""
        super().__init__()
        self._grouped = grouped
        self._writer, self._reward = writer, reward
        self._prompts = [prompt(*pair) for pair in asked]
        read = writer.prompt_ids(self._prompts)
        self._number = {tuple(ids): i for i, ids in enumerate(read)}
        self._lengths = sorted({len(ids) for ids in read}, reverse=True)
        self._asked = list(asked)
        self.last: Rewards | None = None

    def backbone(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> SimpleNamespace:
        """Hands ids and mask on."""
        return SimpleNamespace(hidden_states=[(input_ids, attention_mask)])

    def score(self, hidden: tuple[Tensor, Tensor]) -> Tensor:
        """[n, T, 1]: every token has its text's reward, of which TRL takes the last."""
        ids, mask = hidden
        rows = [row[keep.bool()].tolist() for row, keep in zip(ids, mask, strict=True)]
        begun = [self._prompt_of(row) for row in rows]
        numbers = [self._number[question] for question in begun]
        answers = [row[len(question) :] for row, question in zip(rows, begun, strict=True)]
        texts = self._writer.decode([self._prompts[i] for i in numbers], answers)
        creatives = [
            Creative(self._asked[i][0].product_id, text, self._asked[i][1])
            for i, text in zip(numbers, texts, strict=True)
        ]
        asked = torch.tensor(numbers)
        self.last = self._reward(creatives, asked)
        score = centred(self.last.total, asked) if self._grouped else self.last.total
        return score.to(ids.device)[:, None, None].expand(-1, ids.shape[1], 1)

    def _prompt_of(self, row: list[int]) -> tuple[int, ...]:
        """The prompt that a row begins with, told by its tokens: not every tokenizer gives a text back as it was."""
        return next(begin for n in self._lengths if (begin := tuple(row[:n])) in self._number)


def centred(total: Tensor, group: Tensor) -> Tensor:
    """Rewards minus the mean of their group, [n]: what a prompt earns whatever is written for it is no merit of a text
    (the baseline of RLOO: Ahmadian et al., "Back to Basics", ACL 2024). Groups of one keep their reward.
    """
    _, row, count = group.unique(return_inverse=True, return_counts=True)
    mean = torch.zeros(len(count)).index_add_(0, row, total) / count
    return torch.where(count[row] > 1, total - mean[row], total)
