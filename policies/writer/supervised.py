"""The loss of supervised learning: the writer learns given answers, as it starts and from the best of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from .writer import Writer

IGNORED = -100
"""Label of tokens that the loss leaves out: padding."""


def nats_a_token(writer: Writer, prompts: Sequence[str], texts: Sequence[str], longest: int) -> Tensor:
    """Mean loss of a batch, on the texts alone and not on the prompts: a scalar that can be differentiated.

    Args:
        writer: its model is asked.
        prompts: n of them.
        texts: the answer to each.
        longest: tokens of prompt and text together; what is longer is cut.
    """
    ids, mask, labels = _tensors(writer, prompts, texts, longest)
    place = (mask.cumsum(1) - 1).clamp(min=0)
    kept = labels.shape[1] + 1  # logits of prompts, half of the cost of a large vocabulary, are not computed
    logits = writer.model(input_ids=ids, attention_mask=mask, position_ids=place, logits_to_keep=kept).logits
    return cross_entropy(logits[:, :-1].transpose(1, 2), labels, ignore_index=IGNORED)


def _tensors(
    writer: Writer, prompts: Sequence[str], texts: Sequence[str], longest: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Ids and mask [n, P + A] of prompts, padded on the left, and texts, padded on the right; labels [n, A]."""
    tokenizer = writer.tokenizer
    questions = [torch.tensor(ids) for ids in tokenizer(list(prompts))["input_ids"]]
    room = max(1, longest - max(map(len, questions)))
    answers = [torch.tensor(ids[:room]) for ids in writer.answer_ids(texts)]
    labels = pad_sequence(answers, batch_first=True, padding_value=IGNORED)
    before = pad_sequence(questions, batch_first=True, padding_value=IGNORED, padding_side="left")
    both = torch.cat([before, labels], dim=1)
    mask = both != IGNORED
    ids = torch.where(mask, both, torch.tensor(tokenizer.pad_token_id))
    return ids.to(writer.device), mask.long().to(writer.device), labels.to(writer.device)
