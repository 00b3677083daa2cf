"""Pretraining: a small GPT-2 reads the corpus, its loss on products it never saw is watched, a break costs minutes.

A row is one prompt and several answers to it. The answers see the prompt and themselves, not each other, and each
begins at the place after the prompt: the prompt is read once for all of them, and the loss is the same.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..tuning.training_state import StateDirectory, TuningState, load_optimizer, optimizer_tensors
from ..writer.placeholders import give_placeholders, to_template
from ..writer.writer import CausalLM, Writer, WriterConfig, load_weights, own_weights, small_gpt2, train_tokenizer
from .corpus import Line, held_out

ANSWERS = 4
"""Answers in a row."""
PROMPT_SHARE = 0.1
"""Share of the prompts' tokens that the loss counts: what catalogs look like is learned at a tenth of the weight."""
HELD_OUT = 0.02
"""Share of the products that nothing is learned from."""
DECAY = 0.3
"""Last part of the steps, over which the learning rate falls to nothing (warm-up, stable, decay: arXiv 2405.18392)."""
WARM_UP = 100


@dataclass(frozen=True)
class PretrainConfig:
    """How the base is learned."""

    lines: int = 280_000
    """Lines it reads; the corpus comes round as often as that takes."""
    batch: int = 64
    """Lines a step."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    evaluate_every: int = 125
    """Steps between looks at the loss on products that were held out; there the state is saved too."""


@dataclass(frozen=True)
class Row:
    """A prompt and its answers, as ids; answers end with EOS."""

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]


def pretrain(
    corpus: Sequence[Line],
    sizes: WriterConfig,
    config: PretrainConfig,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    states: StateDirectory | None = None,
    told: Callable[[int, dict[str, float]], None] = lambda step, figures: None,
) -> Writer:
    """Learns the BPE and the weights.

    Args:
        corpus: what is read.
        sizes: of the model.
        config: how long and how fast.
        seed: of the first weights and the order.
        device: where the model goes.
        states: where it is saved and, if there is one, from what state it goes on.
        told: called after every look with the step and the losses, in nats a token.
    """
    learned, away = held_out(corpus, HELD_OUT)
    words = (text for line in learned for text in (line.prompt, f" {to_template(line.text, line.prompt)}"))
    tokenizer = train_tokenizer(words, sizes.vocabulary)
    give_placeholders(tokenizer)
    writer = Writer(small_gpt2(sizes, tokenizer, seed).to(device), tokenizer, sizes)
    rows, unseen = encode(writer, learned), encode(writer, away)
    optimizer = adam(writer.model, config.learning_rate, config.weight_decay)
    steps = max(1, config.lines // config.batch)
    saved = states.latest() if states is not None else None
    first = 0
    if saved is not None:
        first = saved.step
        load_weights(writer, saved.part("model"))
        load_optimizer(optimizer, saved.part("optimizer"), saved.facts["optimizer"])
    losses: list[float] = []
    writer.model.train()
    for step, batch in zip(range(first, steps), batches(rows, config.batch, seed, first), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * rate(step, steps)
        losses.append(_step(writer, batch, optimizer, seed + step))
        if (step + 1) % config.evaluate_every == 0 or step + 1 == steps:
            told(step + 1, {"loss": float(np.mean(losses)), "held_out": loss_on(writer, unseen)})
            losses.clear()
            if states is not None:
                _save(states, step + 1, writer, optimizer)
    writer.model.eval()
    return writer


def rate(step: int, steps: int) -> float:
    """Share of the peak learning rate: up, level, and down to nothing over the last steps."""
    warm_up = min(WARM_UP, max(1, steps // 10))
    return min(1.0, (step + 1) / warm_up, (steps - step) / max(1, DECAY * steps))


def fingerprint(corpus: Sequence[Line]) -> str:
    """A short hash of the corpus: equal for equal ones."""
    digest = hashlib.sha256()
    for line in corpus:
        digest.update(f"{line.prompt}\t{line.text}\n".encode())
    return digest.hexdigest()[:16]


def encode(writer: Writer, lines: Sequence[Line]) -> list[Row]:
    """Rows of the lines: those of one prompt together, up to `ANSWERS`; without what exceeds the context."""
    tokenizer, room = writer.tokenizer, writer.model.config.n_positions
    grouped: dict[str, list[tuple[int, ...]]] = {}
    answers = writer.answer_ids([line.prompt for line in lines], [line.text for line in lines])
    for line, answer in zip(lines, answers, strict=True):
        grouped.setdefault(line.prompt, []).append(tuple(answer))
    rows = []
    for prompt, texts in zip(tokenizer(list(grouped))["input_ids"], grouped.values(), strict=True):
        prompt = tuple(prompt[: room // 2])
        whole = [text for text in texts if len(text) <= room - len(prompt)]
        rows += [Row(prompt, tuple(whole[i : i + ANSWERS])) for i in range(0, len(whole), ANSWERS)]
    return rows


def batches(rows: Sequence[Row], lines: int, seed: int, first: int = 0) -> Iterator[list[Row]]:
    """Rows of each step, without end: a pass is a fresh order of all, those of like length side by side.

    Args:
        rows: to learn from.
        lines: answers a step.
        seed: of the order.
        first: step to begin with; a run that was broken off goes on as it would have.
    """
    size = max(1, lines // ANSWERS)
    each = -(-len(rows) // size)
    length = np.array([len(row.prompt) + sum(map(len, row.answers)) for row in rows])
    for turn in itertools.count(first // each):
        random = np.random.default_rng([seed, turn])
        order = random.permutation(len(rows))
        order = order[np.lexsort((length[order], np.arange(len(rows)) // (32 * size)))]
        for number in random.permutation(each)[first % each if turn == first // each else 0 :]:
            yield [rows[i] for i in order[number * size : (number + 1) * size]]


def tensors(rows: Sequence[Row], pad: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Rows side by side.

    Returns:
        [n, T] ids and places; [n, 1, T, T] what sees what; [n, T] the next token, and whether it is a prompt's (1), an
        answer's (2) or none (0).
    """
    width = max(len(row.prompt) + sum(map(len, row.answers)) for row in rows)
    ids, place, owner = (np.zeros((len(rows), width), dtype=np.int64) for _ in range(3))
    following, kind = np.zeros_like(ids), np.zeros_like(ids)
    ids[:] = pad
    for r, row in enumerate(rows):
        n = len(row.prompt)
        ids[r, :n], place[r, :n] = row.prompt, np.arange(n)
        following[r, : n - 1], kind[r, : n - 1] = row.prompt[1:], 1
        start = n
        for number, answer in enumerate(row.answers, start=1):
            end = start + len(answer)
            ids[r, start:end], owner[r, start:end] = answer, number
            place[r, start:end] = np.arange(n, n + len(answer))
            following[r, start : end - 1], kind[r, start : end - 1] = answer[1:], 2
            start = end
        owner[r, start:] = -1
    own = torch.from_numpy(owner)
    sees = (own[:, None, :] == own[:, :, None]) | (own[:, None, :] == 0)
    sees &= torch.ones(width, width, dtype=torch.bool).tril()
    return (
        torch.from_numpy(ids),
        torch.from_numpy(place),
        sees[:, None],
        torch.from_numpy(following),
        torch.from_numpy(kind),
    )


def said(writer: Writer, rows: Sequence[Row], share: float, seed: int) -> tuple[Tensor, Tensor]:
    """[m, V] logits of each token that counts, all of the answers' and a share of the prompts', and [m] what it is."""
    ids, place, sees, following, kind = (part.to(writer.device) for part in tensors(rows, writer.sampling.pad))
    hidden = writer.model.transformer(
        input_ids=ids, position_ids=place, attention_mask=sees, use_cache=False
    ).last_hidden_state
    drawn = torch.rand(kind.shape, generator=torch.Generator().manual_seed(seed)).to(kind.device) < share
    counted = (kind == 2) | ((kind == 1) & drawn)
    # An answer's first token follows the prompt's last: one place, several answers.
    last = torch.tensor([len(row.prompt) - 1 for row in rows for _ in row.answers], device=ids.device)
    which = torch.tensor([r for r, row in enumerate(rows) for _ in row.answers], device=ids.device)
    begins = torch.tensor([answer[0] for row in rows for answer in row.answers], device=ids.device)
    state = torch.cat([hidden[counted], hidden[which, last]])
    return writer.model.lm_head(state), torch.cat([following[counted], begins])


def _losses(writer: Writer, rows: Sequence[Row], share: float, seed: int) -> Tensor:
    """Nats of each token that counts."""
    return cross_entropy(*said(writer, rows, share, seed), reduction="none")


def _step(writer: Writer, rows: Sequence[Row], optimizer: torch.optim.Optimizer, seed: int) -> float:
    loss = _losses(writer, rows, PROMPT_SHARE, seed).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(writer.model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


@torch.no_grad()
def loss_on(writer: Writer, rows: Sequence[Row], most: int = 256) -> float:
    """Nats a token of the answers."""
    writer.model.eval()
    parts = [_losses(writer, rows[i : i + 16], 0.0, 0) for i in range(0, min(most, len(rows)), 16)]
    writer.model.train()
    return float(torch.cat(parts).mean())


def adam(model: CausalLM, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW; what has one dimension (biases, norms) does not decay."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in weights if w.dim() > 1], "weight_decay": weight_decay},
        {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), fused=True)


def _save(states: StateDirectory, step: int, writer: Writer, optimizer: torch.optim.Optimizer) -> None:
    moments, rest = optimizer_tensors(optimizer)
    named = {f"model.{name}": weight for name, weight in own_weights(writer).items()}
    named |= {f"optimizer.{name}": tensor for name, tensor in moments.items()}
    states.save(TuningState(step, named, {"optimizer": rest}))
