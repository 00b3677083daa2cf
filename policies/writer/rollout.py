"""Sampling from a causal language model, many answers at once, with the log-probability of every token on the way.

Given the same random numbers, Hugging Face's `generate` writes the same tokens, but takes its time: it reads every
prompt as often as it is answered, goes on with rows that have ended, draws a random number for every token of the
vocabulary, and hands back all logits. Here a prompt is read once however many answers it gets, the cache of keys and
values is laid out once, rows that have ended are dropped, and a token takes one random number and leaves one number.
On a CUDA device, where dropped rows win less than fewer kernel launches do, a step is a CUDA graph instead.

Under a limit of characters a token that would pass it is not drawn. Where next to nothing that the model would say
still fits, the answer is given up, and so is one that does not end; both are written again.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor
from transformers import StaticCache

from .limit import LEAST, TRIES, Limit

KEPT = 0.8
"""Ended rows are dropped once less than this share of the rows at hand is alive: dropping copies the cache."""
Sayable: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]
GRAPH_WARM_UP = 3
"""Steps run before one is captured, as CUDA asks for."""


@dataclass(frozen=True)
class Sampled:
    """Answers to n prompts."""

    tokens: Tensor
    """[n, T] the answers, their end included, padded on the right."""
    log_probs: Tensor
    """[n, T] of each token at the temperature of sampling; 0 for padding."""


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn."""

    max_new_tokens: int
    temperature: float
    eos: int
    pad: int
    top_p: float = 1.0
    limit: Limit | None = None
    sayable: Sayable | None = None
    """Tokens that not every answer may have: their ids, [k], and for [n, P] prompts which may, [n, k] bool.

    To other answers they do not exist, and probabilities are those among the rest. Else a writer could be tuned to hold
    likely what is never drawn, and would be paid for it by an estimate of KL below zero.
    """


@torch.no_grad()
def sample(model: Any, ids: Tensor, mask: Tensor, how: Sampling) -> Sampled:
    """Draws an answer to every prompt, from torch's global random numbers: one for each row and place, ended or not.

    Args:
        model: a causal LM of Hugging Face, in evaluation mode.
        ids: [n, P] prompts, padded on the left; rows that are equal are read once.
        mask: [n, P], 0 for padding.
        how: length, temperature, special tokens, and the limit that answers keep.
    """
    if how.limit is None:
        return _sample(model, ids, mask, how)[0]
    n, limit = len(ids), how.limit.of(ids)
    tokens = ids.new_full((n, how.max_new_tokens), how.pad)
    log_probs = torch.zeros(n, how.max_new_tokens, device=ids.device)
    rows = torch.arange(n, device=ids.device)
    for left in reversed(range(TRIES)):
        mine = replace(limit, first=limit.first[rows], later=limit.later[rows])
        found, room = _sample(model, ids[rows], mask[rows], replace(how, limit=mine))
        if left == 0:
            room.end_where_readiest(found, how)
        tokens[rows, : found.tokens.shape[1]] = found.tokens
        log_probs[rows, : found.tokens.shape[1]] = found.log_probs
        rows = rows[~(found.tokens == how.eos).any(1)]
        if not len(rows):
            break
        tokens[rows], log_probs[rows] = how.pad, 0.0
    longest = int((tokens != how.pad).sum(1).max())
    return Sampled(tokens[:, :longest], log_probs[:, :longest])


def _sample(model: Any, ids: Tensor, mask: Tensor, how: Sampling) -> tuple[Sampled, "_Room"]:
    """One answer a prompt; under a limit those that were given up have no end."""
    n, length = ids.shape
    uniform = torch.rand(how.max_new_tokens, n, device=ids.device)
    logits, cache, last, full = read_prompts(model, ids, mask, length + how.max_new_tokens)
    out = ids.new_full((n, how.max_new_tokens), how.pad)
    log_probs = torch.zeros(n, how.max_new_tokens, device=ids.device)
    rows = torch.arange(n, device=ids.device)
    alive = torch.ones(n, dtype=torch.bool, device=ids.device)
    step, room = _Step(model, cache, full), _Room(n, how, ids.device)
    sayable = None if how.sayable is None else how.sayable(ids)
    for t in range(how.max_new_tokens):
        fits = room.fits(logits, rows, t)
        may = None if sayable is None else (sayable[0], sayable[1][rows])
        token, log_prob = draw(logits, uniform[t, rows], how, fits, may)
        alive = room.take(token, rows, alive, t)
        out[rows[alive], t], log_probs[rows[alive], t] = token[alive], log_prob[alive]
        alive = alive & (token != how.eos)
        left = int(alive.sum())
        if not left or t + 1 == how.max_new_tokens:
            return Sampled(out[:, : t + 1], log_probs[:, : t + 1]), room
        last = last + 1
        if not step.graphed and left < KEPT * len(rows):
            rows, last, token = rows[alive], last[alive], token[alive]
            step.keep(alive)
            alive = alive[alive]
        logits = step(token, last)
    raise AssertionError("the last step returns")


def draw(
    logits: Tensor,
    uniform: Tensor,
    how: Sampling,
    fits: Tensor | None = None,
    may: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """The token at which the cumulative probability passes a uniform number, and its log-probability.

    Args:
        logits: [n, V].
        uniform: [n] in [0, 1).
        how: temperature and top-p.
        fits: [n, V] tokens that may be drawn; by default all.
        may: [k] ids of some tokens, and [n, k] whether each may be drawn; by default all.

    Returns:
        [n] tokens, [n] log-probabilities, of the model's choice among all tokens that `may` be drawn.
    """
    logits = logits.float() / how.temperature
    if may is not None:
        logits = among(logits, *may)
    if how.top_p < 1:
        logits = _nucleus(logits, how.top_p)
    log_prob = logits.log_softmax(-1)
    chance = log_prob.exp() if fits is None else log_prob.exp() * fits
    below = chance.cumsum(-1)
    token = torch.searchsorted(below, (uniform * below[:, -1])[:, None], right=True)
    token = token.clamp(max=logits.shape[1] - 1)
    return token.squeeze(1), log_prob.gather(1, token).squeeze(1)


def among(logits: Tensor, ids: Tensor, may: Tensor) -> Tensor:
    """Logits without the tokens that may not be drawn, which are -inf.

    Args:
        logits: [n, V].
        ids: [k] of some tokens.
        may: [n, k] whether each may be drawn.
    """
    return logits.index_add(1, ids, torch.zeros_like(may, dtype=logits.dtype).masked_fill(~may, -torch.inf))


def _nucleus(logits: Tensor, top_p: float) -> Tensor:
    """Leaves the most probable tokens that together reach `top_p` (Holtzman et al., ICLR 2020)."""
    ordered, index = logits.sort(descending=False)
    drop = ordered.softmax(-1).cumsum(-1) <= 1 - top_p
    drop[:, -1] = False
    return logits.masked_fill(drop.scatter(1, index, drop), -torch.inf)


def read_prompts(model: Any, ids: Tensor, mask: Tensor, room: int) -> tuple[Tensor, StaticCache, Tensor, Tensor]:
    """Reads every different prompt once.

    Returns:
        [n, V] logits of the first token, the cache of all n rows, [n] positions of the last token read and the [n,
        room] mask of prompts and answers.
    """
    distinct, row = torch.cat([ids, mask.to(ids.dtype)], 1).unique(dim=0, return_inverse=True)
    asked, seen = distinct[:, : ids.shape[1]], distinct[:, ids.shape[1] :]
    place = (seen.cumsum(1) - 1).clamp(min=0)
    cache = StaticCache(config=model.config, max_cache_len=room)
    given = {"input_ids": asked, "attention_mask": _widened(seen, room), "position_ids": place, "logits_to_keep": 1}
    logits = model(**given, **{cache_name(model): cache}, use_cache=True).logits[:, -1]
    _take_rows(cache, row)
    return logits[row], cache, place[row, -1], _widened(mask, room)


def _widened(mask: Tensor, room: int) -> Tensor:
    """The mask with room for answers: what lies ahead is hidden by causality alone."""
    return torch.cat([mask, mask.new_ones(len(mask), room - mask.shape[1])], 1)


def _take_rows(cache: StaticCache, rows: Tensor) -> None:
    layer: Any  # transformers types layers of every kind alike
    for layer in cache.layers:
        layer.keys, layer.values = layer.keys[rows], layer.values[rows]


def cache_name(model: Any) -> str:
    """What the model's `forward` calls its cache; transformers renamed it."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "cache" if "cache" in inspect.signature(inner.forward).parameters else "past_key_values"


class _Room:
    """What is left of the limit in each of n answers; without one, everything fits."""

    def __init__(self, n: int, how: Sampling, device: torch.device) -> None:
        self.how, self.limit = how, how.limit
        if self.limit is not None:
            self.left = torch.full((n,), self.limit.most, dtype=torch.int32, device=device)
            self.given_up = torch.zeros(n, dtype=torch.bool, device=device)
            self.end = torch.full((n, how.max_new_tokens), -torch.inf, device=device)
            """[n, T] log-probability of the end at each place that was reached."""

    def fits(self, logits: Tensor, rows: Tensor, place: int) -> Tensor | None:
        """[m, V] tokens that may be said next; rows of which next to nothing fits are given up."""
        if self.limit is None:
            return None
        width = self.limit.first if place == 0 else self.limit.later
        fits = width[rows] <= self.left[rows, None]
        fits[:, self.how.eos] = True
        log_prob = (logits.float() / self.how.temperature).log_softmax(-1)
        self.end[rows, place] = log_prob[:, self.how.eos]
        self.given_up[rows] |= (log_prob.exp() * fits).sum(1) < LEAST
        return fits

    def take(self, token: Tensor, rows: Tensor, alive: Tensor, place: int) -> Tensor:
        """Counts what was said; [m] rows that go on."""
        if self.limit is None:
            return alive
        width = self.limit.first if place == 0 else self.limit.later
        self.left[rows] -= width[rows, token]
        return alive & ~self.given_up[rows]

    def end_where_readiest(self, found: Sampled, how: Sampling) -> None:
        """Ends answers that have no end at the place where the model was likeliest to end them, in place."""
        open_ = ~(found.tokens == how.eos).any(1)
        reached = self.end[:, : found.tokens.shape[1]].clone()
        said = (found.tokens != how.pad).sum(1, keepdim=True)
        place = torch.arange(reached.shape[1], device=reached.device)[None]
        reached = reached.masked_fill((place > said) | ((place == 0) & (said > 0)), -torch.inf)
        best = reached.argmax(1, keepdim=True)
        here, beyond = open_[:, None] & (place == best), open_[:, None] & (place > best)
        found.tokens[here], found.log_probs[here] = how.eos, reached[here]
        found.tokens[beyond], found.log_probs[beyond] = how.pad, 0.0


class _Step:
    """One more token for every row: eagerly, or on a CUDA device as a captured graph."""

    def __init__(self, model: Any, cache: StaticCache, mask: Tensor) -> None:
        self.model, self.cache, self.mask = model, cache, mask
        self.name = cache_name(model)
        self.graphed = mask.is_cuda
        self.graph: torch.cuda.CUDAGraph | None = None
        self.calls = 0

    def __call__(self, token: Tensor, place: Tensor) -> Tensor:
        """[n, V] logits of the token after `token` [n], which stands at `place` [n]."""
        self.calls += 1
        if not self.graphed or self.calls <= GRAPH_WARM_UP:
            return self._forward(token, place)
        return self._replay(token, place)

    def keep(self, alive: Tensor) -> None:
        """Drops rows."""
        _take_rows(self.cache, alive)
        self.mask = self.mask[alive]

    def _forward(self, token: Tensor, place: Tensor) -> Tensor:
        given = {"input_ids": token[:, None], "attention_mask": self.mask, "position_ids": place[:, None]}
        return self.model(**given, **{self.name: self.cache}, use_cache=True).logits[:, -1]

    def _replay(self, token: Tensor, place: Tensor) -> Tensor:
        """The cache counts its own length on the device, so that a captured step serves for every later one."""
        if self.graph is None:
            self._token, self._place = token.clone(), place.clone()
            self.graph = torch.cuda.CUDAGraph()
            # Capturing runs nothing: the cache's count moves with the first replay.
            with torch.cuda.graph(self.graph):
                self._logits = self._forward(self._token, self._place)
        self._token.copy_(token)
        self._place.copy_(place)
        self.graph.replay()
        return self._logits
