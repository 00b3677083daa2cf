"""Fits the reader: clean lines against the same lines garbled by many hands, and against what weak models write."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from ..data.errors import InputError
from .hands import HANDS, garbled
from .network import STRANGE, UNKNOWN, Network, read_words

TOLD = 250
"""Steps between two words on the loss."""


@dataclass(frozen=True)
class Source:
    """Clean lines of one kind, and how much of what is read is of it."""

    lines: Sequence[str]
    weight: float


@dataclass(frozen=True)
class ReaderFit:
    """How the reader is fitted."""

    steps: int = 4000
    batch: int = 128
    rate: float = 3e-3
    forget: float = 0.1
    """Share of common words that are read by their letters alone, as an unknown word is."""
    unlisted: float = 0.004
    """Share of words that are taken for spelled like none: a new name is no fault."""
    weak: float = 0.25
    """Share of garbled lines that weak models wrote."""
    smoothing: float = 0.02
    """Taken off every label: a hand may leave a line as good as it was."""

    def __post_init__(self) -> None:
        if min(self.steps, self.batch) < 1 or self.rate <= 0 or self.batch % 2:
            raise InputError(
                f"reader of {self.steps} steps of {self.batch} lines at a rate of {self.rate}: give at least one "
                "step, an even number of lines, and a rate above zero"
            )
        for name, share in (
            ("forget", self.forget),
            ("unlisted", self.unlisted),
            ("weak", self.weak),
            ("smoothing", 2 * self.smoothing),
        ):
            if not 0 <= share < 1:
                raise InputError(f"fit.{name} of the reader is out of range: a share from 0, below 1, is wanted")


def fit_reader(
    sources: Mapping[str, Source],
    weak: Sequence[str],
    config: ReaderFit,
    network: Network,
    *,
    seed: int,
    told: Callable[[int, float], None] = lambda step, loss: None,
) -> Network:
    """Fits a network, half of what it reads clean; the same seed gives the same one.

    Args:
        sources: clean lines.
        weak: lines that weak language models wrote.
        config: how.
        network: new; it is fitted in place.
        seed: of everything random.
        told: called now and then with the step and the mean loss since.
    """
    random, draw = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    learned = list(network.parameters())
    optimizer = torch.optim.AdamW(learned, lr=config.rate, weight_decay=0.01, fused=True)
    batches = _alike(sources, weak, config, random)
    losses: list[float] = []
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.rate * min(1.0, (step + 1) / 100) * (1 - step / config.steps)
        texts, labels = next(batches)
        lines = network.encode([read_words(text) for text in texts])
        forgotten = (torch.rand(lines.rows.shape, generator=draw) < config.forget) & (lines.rows > UNKNOWN)
        unlisted = (torch.rand(lines.which.shape, generator=draw) < config.unlisted) & (lines.which > 0)
        lines.marks[..., STRANGE] = torch.maximum(lines.marks[..., STRANGE], unlisted.float())
        logits, _ = network(replace(lines, rows=torch.where(forgotten, UNKNOWN, lines.rows)))
        target = torch.tensor(labels) * (1 - 2 * config.smoothing) + config.smoothing
        loss = binary_cross_entropy_with_logits(logits, target)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if (step + 1) % TOLD == 0:
            told(step + 1, float(np.mean(losses[-TOLD:])))
    return network.eval()


def _alike(
    sources: Mapping[str, Source], weak: Sequence[str], config: ReaderFit, random: np.random.Generator
) -> Iterator[tuple[list[str], list[float]]]:
    """Batches of texts of like length, which take less time."""
    batches = _batches(sources, weak, config, random)
    while True:
        drawn = [next(batches) for _ in range(16)]
        rows = sorted(
            ((text, label) for texts, labels in drawn for text, label in zip(texts, labels, strict=True)),
            key=lambda row: len(row[0]),
        )
        parts = [rows[i : i + config.batch] for i in range(0, len(rows), config.batch)]
        for i in random.permutation(len(parts)):
            yield [text for text, _ in parts[i]], [label for _, label in parts[i]]


def _batches(
    sources: Mapping[str, Source], weak: Sequence[str], config: ReaderFit, random: np.random.Generator
) -> Iterator[tuple[list[str], list[float]]]:
    """Without end: texts, half of them garbled, and labels (1 for garbled)."""
    kept = [source for source in sources.values() if len(source.lines)]
    weight = np.array([source.weight for source in kept])
    while True:
        texts, labels = [], []
        for at in random.choice(len(kept), size=config.batch // 2, p=weight / weight.sum()):
            lines = kept[at].lines
            clean = lines[int(random.integers(len(lines)))]
            drawn = len(weak) > 0 and random.random() < config.weak
            bad = weak[int(random.integers(len(weak)))] if drawn else _spoiled(clean, lines, random)
            for text, label in ((clean, 0.0), (bad, 1.0)):
                if text is not None:
                    texts.append(_ended(text, random))
                    labels.append(label)
        yield texts, labels


def _spoiled(clean: str, others: Sequence[str], random: np.random.Generator) -> str | None:
    """A line after the first of four hands that find something to spoil."""
    hands = list(HANDS.values())
    tried = (garbled(clean, hands[i], others, random) for i in random.choice(len(hands), size=4, replace=False))
    return next((line for line in tried if line is not None), None)


def _ended(text: str, random: np.random.Generator) -> str:
    """A full stop at the end comes and goes: it says nothing of a line."""
    if random.random() > 0.3:
        return text
    return text[:-1] if text.endswith(".") else text + "." if text[-1:].isalnum() else text
