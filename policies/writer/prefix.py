"""Prompts that a model has read, each once however many answers it gets: what they left in its cache serves them all.
So does what all of them begin with, as the chats of one request do.

Gradients flow through the cache, so a writer learns from its answers as if each had its prompt to itself.
"""

import copy
import weakref
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from .rollout import among, cache_name

May = tuple[Tensor, Tensor]
"""Ids of tokens that not every answer may have, and which may; see `Sampling.sayable`."""
IN_CACHE = 256
"""Tokens whose logits a processor computes at once: more of them do not fit its cache, and take a third longer."""
PIECES, LEAST = 3, 16
"""Into how many pieces answers are divided by their length, and how many are in one at least."""
SHARED = 16
"""Tokens that prompts begin with alike, from which on reading these once pays for one more call."""


class Prefix:
    """m different prompts, and what a model says after them."""

    def __init__(self, model: Any, ids: Tensor, mask: Tensor) -> None:
        """Reads them.

        Args:
            model: a causal LM.
            ids: [m, P] prompts, padded on the left.
            mask: [m, P], 0 for padding.
        """
        self._model, self._inner = model, inner(model)
        shared = shared_tokens(ids, mask)
        cache = DynamicCache(config=self._inner.config)
        if shared < SHARED:
            shared = 0
        else:
            opening, seen = ids[:1, ids.shape[1] - int(mask[0].sum()) :][:, :shared], mask[:1, -shared:]
            self._states(opening, seen, seen.cumsum(1) - 1, cache, last=True)
            cache = _rows_of(cache, torch.zeros(len(ids), dtype=torch.long, device=ids.device))
        # Padding comes after what is shared: as many columns, of which as many are masked.
        self._mask = mask.roll(shared, dims=1)
        self._place = (self._mask.cumsum(1) - 1).clamp(min=0)
        self._cache = cache
        self._first = self._states(ids[:, shared:], self._mask, self._place[:, shared:], cache, last=True)

    def log_probs(
        self, rows: Tensor, answers: Tensor, valid: Tensor, temperature: float = 1.0, may: May | None = None
    ) -> Tensor:
        """Log-probability of each token of answers; of padding no logits are computed.

        Args:
            rows: [n] which prompt each answers.
            answers: [n, T] ids, padded on the right.
            valid: [n, T] false for padding.
            temperature: that logits are divided by.
            may: [k] ids of some tokens, and [n, k] whether an answer may have each; by default all.

        Returns:
            [n, T], 0 for padding.
        """
        length, width = valid.sum(1), answers.shape[1]
        order = length.argsort(stable=True)
        found = []
        # Answers of like length side by side: a third of what would be read is padding. A GPU minds calls more.
        for part in order.split(len(order) if answers.is_cuda else max(LEAST, -(-len(order) // PIECES))):
            longest = int(length[part].max())
            mine = None if may is None else (may[0], may[1][part])
            read = self._part(rows[part], answers[part, :longest], valid[part, :longest], temperature, mine)
            found.append(nn.functional.pad(read, (0, width - longest)))
        return torch.cat(found)[order.argsort()]

    def _part(self, rows: Tensor, answers: Tensor, valid: Tensor, temperature: float, may: May | None) -> Tensor:
        states = self._first[rows]
        if answers.shape[1] > 1:
            place = self._place[rows, -1:] + 1 + torch.arange(answers.shape[1] - 1, device=answers.device)
            mask = torch.cat([self._mask[rows], valid[:, :-1].to(self._mask.dtype)], 1)
            given = answers[:, :-1].masked_fill(~valid[:, :-1], 0)
            later = self._states(given, mask, place, _rows_of(self._cache, rows))
            states = torch.cat([states, later], 1)
        return log_probs_of(self._model, states, answers, valid, temperature, may)

    def _states(self, ids: Tensor, mask: Tensor, place: Tensor, cache: DynamicCache, *, last: bool = False) -> Tensor:
        """[n, T, width] last states of the trunk, or [n, T, V] logits of a model whose output layer does more."""
        given: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "position_ids": place, "use_cache": True}
        given[cache_name(self._model)] = cache
        if plain(self._model):
            states = self._inner.base_model(**given).last_hidden_state
            return states[:, -1:] if last else states
        return self._model(**given, logits_to_keep=1 if last else 0).logits


def shared_tokens(ids: Tensor, mask: Tensor) -> int:
    """How many tokens all prompts begin with alike, the last of none among them; 0 for one prompt alone.

    Args:
        ids: [m, P], padded on the left.
        mask: [m, P], 0 for padding.
    """
    if len(ids) < 2:
        return 0
    length = mask.sum(1, keepdim=True)
    place = torch.arange(int(length.min()) - 1, device=ids.device) + ids.shape[1] - length
    aligned = ids.gather(1, place)
    return int((aligned == aligned[:1]).all(0).long().cumprod(0).sum())


def log_probs_of(
    model: Any, states: Tensor, answers: Tensor, valid: Tensor, temperature: float, may: May | None = None
) -> Tensor:
    """[n, T] log-probabilities of `answers` [n, T], 0 where they are not `valid`.

    Args:
        model: whose states they are.
        states: [n, T, width] of the trunk before each token, or [n, T, V] logits if the model is not `plain`.
        answers: [n, T] ids.
        valid: [n, T].
        temperature: that logits are divided by.
        may: [k] ids of some tokens, and [n, k] whether an answer may have each; by default all.
    """
    head = inner(model).get_output_embeddings() if plain(model) else nn.Identity()
    states, tokens, row = states[valid], answers[valid], valid.nonzero()[:, 0]
    size = max(1, len(tokens)) if states.is_cuda else IN_CACHE
    chosen = []
    for some, token, of in zip(states.split(size), tokens.split(size), row.split(size), strict=True):
        logits = head(some).float()
        logits = logits if temperature == 1 else logits / temperature
        logits = logits if may is None else among(logits, may[0], may[1][of])
        chosen.append(-nn.functional.cross_entropy(logits, token, reduction="none"))
    return torch.zeros(valid.shape, device=valid.device).masked_scatter(valid, torch.cat(chosen))


def _rows_of(cache: DynamicCache, rows: Tensor) -> DynamicCache:
    """A cache of its own for each answer; the prompts' stays as it is."""
    mine = copy.copy(cache)
    mine.layers = [copy.copy(layer) for layer in cache.layers]
    layer: Any  # transformers types layers of every kind alike
    for layer in mine.layers:
        layer.keys, layer.values = layer.keys.index_select(0, rows), layer.values.index_select(0, rows)
    return mine


def inner(model: Any) -> Any:
    """The model itself, if it is held by an adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


_IS_PLAIN: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()


@torch.no_grad()
def plain(model: Any) -> bool:
    """Whether logits are the output layer of the trunk's last state and nothing more (some models cap or scale them):
    then those of padding need not be computed. Tried once, on two tokens.
    """
    if model not in _IS_PLAIN:
        whole, ids = inner(model), torch.zeros(1, 2, dtype=torch.long, device=model.device)
        given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "use_cache": False}
        full, state = whole(**given).logits, whole.base_model(**given).last_hidden_state
        _IS_PLAIN[model] = torch.allclose(whole.get_output_embeddings()(state).float(), full.float(), atol=1e-4)
    return _IS_PLAIN[model]
