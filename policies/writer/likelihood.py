"""How likely answers are under a model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ...simulation.data.catalog import Product
from .prefix import May, Prefix, inner, log_probs_of, plain
from .prompts import prompt
from .rollout import Sayable, sample
from .writer import Writer, load_weights, own_weights

PROMPTS, ANSWERS = 32, 256
"""Prompts, and answers to them, that are read at once."""


def log_likelihood(
    model: Any, ids: Tensor, context: int, pad: int, temperature: float, sayable: Sayable | None = None
) -> Tensor:
    """Log-probabilities of answers, with gradients.

    Args:
        model: a causal LM.
        ids: [n, P + T] prompts, padded on the left, and answers, padded on the right.
        context: P.
        pad: id of the padding token.
        temperature: that logits are divided by.
        sayable: tokens that not every answer may have; see `Sampling`. By default all may have all.

    Returns:
        [n, T], 0 where the answer has ended.
    """
    mask, answers = ids != pad, ids[:, context:]
    valid, ids = mask[:, context:], ids.masked_fill(~mask, 0)
    if model.training and any(getattr(part, "gradient_checkpointing", False) for part in model.modules()):
        return _without_cache(model, ids, mask, valid, temperature, sayable and sayable(ids[:, :context]))
    asked = torch.cat([ids[:, :context], mask[:, :context].to(ids.dtype)], 1)
    distinct, rows = asked.unique(dim=0, return_inverse=True)
    prefix, may = Prefix(model, distinct[:, :context], distinct[:, context:]), None
    if sayable is not None:
        which, holds = sayable(distinct[:, :context])
        may = (which, holds[rows])
    return prefix.log_probs(rows, answers, valid, temperature, may)


def _without_cache(model: Any, ids: Tensor, mask: Tensor, valid: Tensor, temperature: float, may: May | None) -> Tensor:
    """Of a model that recomputes its layers in the backward pass, and keeps no cache meanwhile."""
    given = {"input_ids": ids, "attention_mask": mask, "position_ids": mask.cumsum(1) - mask.long(), "use_cache": False}
    length = valid.shape[1]
    if plain(model):
        states = inner(model).base_model(**given).last_hidden_state[:, -length - 1 : -1]
    else:
        states = model(**given, logits_to_keep=length + 1).logits[:, :-1]
    return log_probs_of(model, states, ids[:, -length:], valid, temperature, may)


@torch.no_grad()
def token_log_probs(writer: Writer, prompts: Sequence[str], texts: Sequence[str]) -> list[Tensor]:
    """Log-probability of each token of n answers, their ends included, at temperature 1; prompts are read once each.

    Of an answer that does not fit the model's context, those that do.

    Args:
        writer: its model is asked.
        prompts: n of them.
        texts: the answer to each.
    """
    if not texts:
        return []
    writer.model.eval()
    room = getattr(writer.model.config, "max_position_embeddings", None) or 10**9
    read = writer.answer_ids(prompts, texts)
    order = sorted(range(len(texts)), key=prompts.__getitem__)
    by_prompt = [list(own) for _, own in groupby(order, key=prompts.__getitem__)]
    found: dict[int, Tensor] = {}
    for start in range(0, len(by_prompt), PROMPTS):
        block = by_prompt[start : start + PROMPTS]
        ids, mask = writer.encode_prompts([prompts[own[0]] for own in block])
        prefix = Prefix(writer.model, ids, mask)
        # Answers of like length side by side, so that little is read of padding.
        pairs = sorted(((i, row) for row, own in enumerate(block) for i in own), key=lambda pair: len(read[pair[0]]))
        for at in range(0, len(pairs), ANSWERS):
            mine, rows = zip(*pairs[at : at + ANSWERS], strict=True)
            answers = [torch.tensor(read[i][: room - ids.shape[1]]) for i in mine]
            tokens = pad_sequence(answers, batch_first=True, padding_value=-1).to(ids.device)
            log_probs = prefix.log_probs(torch.tensor(rows, device=ids.device), tokens, tokens >= 0).cpu()
            found |= {i: row[: len(answer)] for i, row, answer in zip(mine, log_probs, answers, strict=True)}
    return [found[i] for i in range(len(texts))]


@torch.no_grad()
def kl_between(
    writer: Writer, start: Mapping[str, Tensor], asked: Sequence[tuple[Product, str]], seed: int, n: int = 2
) -> float:
    """Nats a text between a writer and what it was with other weights, estimated on texts that it writes now.

    Args:
        writer: as it is now.
        start: its weights before, from `own_weights`.
        asked: prompts that it answers.
        seed: of the answers.
        n: answers a prompt.
    """
    prompts = [prompt(*pair) for pair in asked for _ in range(n)]
    now, how, total = own_weights(writer), replace(writer.sampling, top_p=1.0), 0.0
    with torch.random.fork_rng(devices=[writer.device] if writer.device.type == "cuda" else []):
        torch.manual_seed(seed)
        for i in range(0, len(prompts), 256):
            ids, mask = writer.encode_prompts(prompts[i : i + 256])
            sampled = sample(writer.model, ids, mask, how)
            load_weights(writer, start)
            both = torch.cat([ids, sampled.tokens], 1)
            before = log_likelihood(writer.model, both, ids.shape[1], how.pad, how.temperature, how.sayable)
            load_weights(writer, now)
            total += float((sampled.log_probs - before).sum())
    return total / len(prompts)
