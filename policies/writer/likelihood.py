"""How likely answers are under a model: of prompts and padding no logits are computed."""

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ...simulation.data.catalog import Product
from .rollout import cache_name, read_prompts, sample
from .writer import Writer, load_weights, own_weights, prompt


def log_likelihood(model: Any, ids: Tensor, context: int, pad: int, temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probabilities of answers, and the entropy of each token's distribution, which takes no part in gradients.

    Args:
        model: a causal LM.
        ids: [n, P + T] prompts, padded on the left, and answers, padded on the right.
        context: P.
        pad: id of the padding token.
        temperature: that logits are divided by.

    Returns:
        [n, T] both, 0 where the answer has ended.
    """
    mask = ids != pad
    answers = ids[:, context:]
    valid = answers != pad
    given = {
        "input_ids": ids.masked_fill(~mask, 0),
        "attention_mask": mask,
        "position_ids": mask.cumsum(1) - mask.long(),
        "use_cache": False,
    }
    if _plain(model):
        inner = _inner(model)
        hidden = inner.base_model(**given).last_hidden_state[:, context - 1 : -1]
        logits = inner.get_output_embeddings()(hidden[valid])
    else:
        logits = model(**given, logits_to_keep=answers.shape[1] + 1).logits[:, :-1][valid]
    log_prob = (logits.float() / temperature).log_softmax(-1)
    chosen = log_prob.gather(1, answers[valid][:, None]).squeeze(1)
    with torch.no_grad():
        entropy = -(log_prob.exp() * log_prob).sum(1)
    return _spread(chosen, valid), _spread(entropy, valid)


@torch.no_grad()
def token_log_probs(writer: Writer, prompts: Sequence[str], texts: Sequence[str], batch: int = 256) -> list[Tensor]:
    """Log-probability of each token of n answers, their ends included, at temperature 1; prompts are read once each.

    Of an answer that does not fit the model's context, those that do.

    Args:
        writer: its model is asked.
        prompts: n of them; equal ones side by side are quickest.
        texts: the answer to each.
        batch: read at once.
    """
    out: list[Tensor] = []
    writer.model.eval()
    for start in range(0, len(texts), batch):
        ids, mask = writer.encode_prompts(prompts[start : start + batch])
        room = (getattr(writer.model.config, "max_position_embeddings", None) or 10**9) - ids.shape[1]
        answers = [torch.tensor(row[:room]) for row in writer.answer_ids(texts[start : start + batch])]
        tokens = pad_sequence(answers, batch_first=True, padding_value=-1).to(ids.device)
        valid, model = tokens >= 0, writer.model
        first, cache, last, full = read_prompts(model, ids, mask, ids.shape[1] + tokens.shape[1])
        inner = _inner(model)
        place = last[:, None] + 1 + torch.arange(tokens.shape[1], device=ids.device)
        given = {"input_ids": tokens.clamp(min=0), "attention_mask": full, "position_ids": place, "use_cache": True}
        given[cache_name(model)] = cache
        if _plain(model):
            head, hidden = inner.get_output_embeddings(), inner.base_model(**given).last_hidden_state
            later = head(hidden[:, :-1][valid[:, 1:]])
        else:
            later = model(**given).logits[:, :-1][valid[:, 1:]]
        log_prob = torch.zeros(tokens.shape, device=ids.device)
        log_prob[:, 0] = _chosen(first, tokens[:, 0])
        log_prob[:, 1:][valid[:, 1:]] = _chosen(later, tokens[:, 1:][valid[:, 1:]])
        out += [row[: len(answer)].cpu() for row, answer in zip(log_prob, answers, strict=True)]
    return out


def _chosen(logits: Tensor, tokens: Tensor) -> Tensor:
    """[m] log-probabilities of tokens under [m, V] logits."""
    return logits.float().log_softmax(-1).gather(1, tokens[:, None]).squeeze(1)


def _spread(values: Tensor, valid: Tensor) -> Tensor:
    """[m] values to where `valid` [n, T] is true; 0 elsewhere."""
    return values.new_zeros(valid.shape).masked_scatter(valid, values)


def _inner(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


_IS_PLAIN: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()


@torch.no_grad()
def _plain(model: Any) -> bool:
    """Whether logits are the output layer of the trunk's last state and nothing more (some models cap or scale them):
    then those of padding need not be computed. Tried once, on two tokens.
    """
    if model not in _IS_PLAIN:
        inner, ids = _inner(model), torch.zeros(1, 2, dtype=torch.long, device=model.device)
        full = inner(input_ids=ids, use_cache=False).logits
        state = inner.base_model(input_ids=ids, use_cache=False).last_hidden_state
        _IS_PLAIN[model] = torch.allclose(inner.get_output_embeddings()(state).float(), full.float(), atol=1e-4)
    return _IS_PLAIN[model]


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
            before, _ = log_likelihood(writer.model, both, ids.shape[1], how.pad, how.temperature)
            load_weights(writer, now)
            total += float((sampled.log_probs - before).sum())
    return total / len(prompts)
