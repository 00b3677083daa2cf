"""Supervised learning: the writer learns given answers, as it starts and from the best of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import get_cosine_schedule_with_warmup

from ..writer.likelihood import log_likelihood
from ..writer.writer import Writer


class Learner:
    """AdamW on one batch after another, under a cosine schedule with a short warm-up."""

    def __init__(
        self, writer: Writer, steps: int, learning_rate: float, *, weight_decay: float = 0.0, longest: int = 10**6
    ) -> None:
        """Nothing is learned yet.

        Args:
            writer: those weights of its model that require gradients learn.
            steps: batches to come.
            learning_rate: peak of the schedule.
            weight_decay: AdamW's.
            longest: tokens of prompt and text together; what is longer is cut.
        """
        self.writer, self.longest = writer, longest
        self.weights = [weight for weight in writer.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.weights, lr=learning_rate, weight_decay=weight_decay, betas=(0.9, 0.98), fused=True
        )
        self.schedule = get_cosine_schedule_with_warmup(self.optimizer, max(1, steps // 20), steps)

    def learn(self, prompts: Sequence[str], texts: Sequence[str]) -> float:
        """One step on a batch; its loss before the step, in nats a token."""
        self.writer.model.train()
        loss = nats_a_token(self.writer, prompts, texts, self.longest)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.writer.model.eval()
        return float(loss.detach())


def nats_a_token(writer: Writer, prompts: Sequence[str], texts: Sequence[str], longest: int) -> Tensor:
    """Mean loss of a batch, on the texts alone and not on the prompts: a scalar that can be differentiated.

    Args:
        writer: its model is asked.
        prompts: n of them.
        texts: the answer to each.
        longest: tokens of prompt and text together; what is longer is cut.
    """
    ids, context = _tensors(writer, prompts, texts, longest)
    pad = writer.sampling.pad
    log_probs = log_likelihood(writer.model, ids, context, pad, temperature=1.0)
    return -log_probs.sum() / (ids[:, context:] != pad).sum()


def _tensors(writer: Writer, prompts: Sequence[str], texts: Sequence[str], longest: int) -> tuple[Tensor, int]:
    """Ids [n, P + A] of prompts, padded on the left, and texts, padded on the right; and P."""
    questions = [torch.tensor(ids) for ids in writer.prompt_ids(prompts)]
    longest = min(longest, getattr(writer.model.config, "max_position_embeddings", None) or longest)
    room = max(1, longest - max(map(len, questions)))
    answers = [torch.tensor(ids[:room]) for ids in writer.answer_ids(prompts, texts)]
    pad = writer.sampling.pad
    before = pad_sequence(questions, batch_first=True, padding_value=pad, padding_side="left")
    both = torch.cat([before, pad_sequence(answers, batch_first=True, padding_value=pad)], dim=1)
    return both.to(writer.device), before.shape[1]
