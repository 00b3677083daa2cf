"""Distillation: a small student reads copy, then what a teacher writes, and in the end mostly the best of it.

Three lessons under one learning rate, which falls at the end: lines of the corpus that bases are pretrained on, of
which it learns to write at all; what the teacher wrote; and what was chosen among that, so that one text of the
student is worth what the choice was (sequence-level distillation, Kim and Rush, EMNLP 2016; of the best of n: BoNBoN,
Gui et al., arXiv 2406.00832). A student with the teacher's vocabulary may be told, beside each token, how likely the
teacher held every other one there (Hinton et al., arXiv 1503.02531).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from ...simulation.data.errors import InputError
from ..writer.placeholders import give_placeholders, to_template
from ..writer.writer import Writer, small_gpt2, train_tokenizer
from .corpus import Line, corpus
from .pretrain import ANSWERS, Row, adam, batches, encode, rate, said

WEIGHT_DECAY = 0.05
LINES_EACH = 24
"""Lines of the corpus for a product that is invented."""


@dataclass(frozen=True)
class DistilConfig:
    """The student's sizes, and how it learns."""

    layers: int = 3
    width: int = 128
    heads: int = 4
    vocabulary: int = 2048
    """Tokens of a BPE of its own, made of what it reads; 0 takes the teacher's, which is most of a small student's
    weights."""
    read: int = 240_000
    """Lines of the corpus of `copybandit pretrain` that it reads first, each once; a teacher that learned from its
    catalog alone (--model built-in) has no such lesson."""
    lines: int = 80_000
    """Lines of the teacher that it reads, those that come round again counted each time."""
    best: float = 0.25
    """Share of these that are chosen ones; they come last."""
    kl: float = 0.0
    """With the teacher's vocabulary: weight of the probabilities that it gives all tokens; the token that was written
    has the rest."""
    temperature: float = 0.8
    """It samples at, the teacher at 0.9 by default: a small writer garbles what it draws from its tail."""
    batch: int = 64
    """Lines a step."""
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        if min(self.layers, self.width, self.heads, self.vocabulary + 1) < 1 or self.width % self.heads:
            raise InputError(
                f"student of {self.layers} layers, width {self.width}, {self.heads} heads: give at least one of each, "
                "and heads that divide the width"
            )
        if self.batch < 1 or self.lines < self.batch or not 0 < self.learning_rate < 1 or self.read < 0:
            raise InputError(
                f"student: read {self.read}, {self.lines} lines, batches of {self.batch}, learning_rate "
                f"{self.learning_rate}: give a batch of lines at least, to read none or more, and a rate above 0 and "
                "below 1"
            )
        if self.kl and self.vocabulary:
            raise InputError(
                f"student: kl {self.kl} with vocabulary {self.vocabulary}: only a student with the teacher's, 0, can "
                "be told of its probabilities"
            )
        if not 0 < self.temperature <= 2:
            raise InputError(f"student: temperature {self.temperature}: give a number above 0, of 2 at most")
        if not (0 <= self.best <= 1 and 0 <= self.kl <= 1):
            raise InputError(f"student: best {self.best}, kl {self.kl}: give 0 to 1")


@dataclass(frozen=True)
class Lessons:
    """What a student reads, in this order."""

    copy: Sequence[Line]
    """Lines of a grammar, for products that do not exist; none for a teacher that has not read such."""
    written: Sequence[Line]
    """Texts of the teacher, each with its prompt."""
    chosen: Sequence[Line]
    """The best among them."""

    def steps(self, config: DistilConfig) -> tuple[int, int, int]:
        """Steps of each."""
        steps = config.lines // config.batch
        last = round(config.best * steps)
        return min(config.read, len(self.copy)) // config.batch, steps - last, last


def copy_lines(count: int, seed: int) -> list[Line]:
    """So many lines of the corpus or a few more, no two alike."""
    return corpus(-(-count // LINES_EACH), LINES_EACH, seed) if count else []


def student_of(teacher: Writer, lessons: Lessons, config: DistilConfig, seed: int) -> Writer:
    """A GPT-2 of other sizes that has learned nothing, and samples as the teacher does but for the temperature.

    Args:
        teacher: whose student it is.
        lessons: of which a vocabulary of its own is made.
        config: sizes, and the temperature.
        seed: of first weights.
    """
    sizes = replace(teacher.config, layers=config.layers, width=config.width, heads=config.heads)
    sizes = replace(sizes, temperature=config.temperature)
    tokenizer = teacher.tokenizer
    if config.vocabulary:
        templates = to_template if teacher.has_placeholders else lambda text, prompt: text
        lines = chain(lessons.copy, lessons.written)
        words = (said for line in lines for said in (line.prompt, f" {templates(line.text, line.prompt)}"))
        tokenizer = train_tokenizer(words, config.vocabulary)
        if teacher.has_placeholders:
            give_placeholders(tokenizer)
    model = small_gpt2(sizes, tokenizer, seed).to(teacher.device)
    return Writer(model, tokenizer, sizes, word_pairs=teacher.word_pairs)


def distil(
    student: Writer,
    teacher: Writer,
    lessons: Lessons,
    config: DistilConfig,
    *,
    seed: int,
    told: Callable[[int, float], None] = lambda lines, loss: None,
) -> float:
    """The student learns, in place.

    Args:
        student: as `student_of` makes it.
        teacher: says how likely each token is.
        lessons: what is learned from.
        config: how long and how fast.
        seed: of the order.
        told: called after each step with lines and loss.

    Returns:
        The loss of the last steps, in nats a token.
    """
    steps = lessons.steps(config)
    optimizer, losses = adam(student.model, config.learning_rate, WEIGHT_DECAY), []
    teacher.model.eval()
    student.model.train()
    for step, rows in enumerate(_in_turn(student, lessons, config.batch, seed, steps)):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * rate(step, sum(steps))
        loss = _loss(student, teacher, rows, config.kl)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
        told(config.batch, losses[-1])
    student.model.eval()
    tail = losses[-max(1, config.lines // config.batch // 20) :]
    return sum(tail) / len(tail)


def _in_turn(
    student: Writer, lessons: Lessons, batch: int, seed: int, steps: tuple[int, int, int]
) -> Iterator[list[Row]]:
    """Batches of each lesson; of rows that have fewer answers than `ANSWERS` there are more in a batch."""
    parts = (lessons.copy, lessons.written, lessons.chosen)
    for number, (lines, count) in enumerate(zip(parts, steps, strict=True)):
        if count:
            rows = encode(student, lines)
            whole = round(batch * ANSWERS * len(rows) / sum(len(row.answers) for row in rows))
            yield from islice(batches(rows, whole, seed + number), count)


def _loss(student: Writer, teacher: Writer, rows: Sequence[Row], kl: float) -> Tensor:
    """Nats a token: of what was written and, by `kl`, of all that the teacher might have said there."""
    logits, token = said(student, rows, 0.0, 0)
    loss = (1 - kl) * cross_entropy(logits, token)
    if kl == 0:
        return loss
    with torch.no_grad():
        wanted = said(teacher, rows, 0.0, 0)[0].log_softmax(-1)
    return loss + kl * kl_div(logits.log_softmax(-1), wanted, reduction="batchmean", log_target=True)
