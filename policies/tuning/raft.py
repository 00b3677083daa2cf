"""Reward-ranked fine-tuning: the writer learns from the best of what it wrote (RAFT, Dong et al., TMLR 2023).

In each round it answers every prompt several times; of all that was written so far the best for each prompt are kept,
together as diverse as the untuned writer's (see `select`); and the writer, from its untuned weights on, learns those.
What it learns from is diverse by construction, and few passes over few texts keep it near where it began.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import torch

from ...simulation.data.catalog import Creative, Product
from ...simulation.data.errors import InputError
from ..learning.adapters import follow_ranks
from ..learning.rates import fitting_rate
from ..learning.supervised import Learner
from ..reward.scored_texts import ScoredTexts
from ..reward.select import places, write_more
from ..writer.prompts import prompt
from ..writer.writer import Writer, load_weights, own_weights
from .contract import OnUpdate, Tuner, TuningResult, Update
from .training_state import TuningState, put_back, take_state

PARTS = 8
"""Updates a round: so many parts, of like size, of the batches that are learned from."""


@dataclass(frozen=True)
class RaftConfig:
    """How the writer learns from the best of what it wrote."""

    rounds: int = 1
    """Rounds of writing, choosing and learning."""
    texts: int = 24
    """Texts a prompt and round."""
    kept: int = 2
    """Texts a prompt that are learned from."""
    passes: int = 4
    """Passes over them."""
    batch: int = 32
    """Texts an optimizer step."""
    learning_rate: float | None = None
    """Peak of a cosine schedule. By default 0.0003, for a model of 50 million weights or more 0.00005, and ten times
    that where an adapter learns in its place."""

    def __post_init__(self) -> None:
        if min(self.rounds, self.kept, self.passes, self.batch) < 1 or self.texts < self.kept:
            raise InputError(
                f"raft: rounds {self.rounds}, texts {self.texts}, kept {self.kept}, passes {self.passes}, batch "
                f"{self.batch}: each must be 1 or more, and texts not fewer than kept"
            )
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise InputError(f"raft: learning_rate {self.learning_rate}: give a number above 0 and below 1")


@dataclass(frozen=True)
class Raft(Tuner):
    """See the module."""

    config: RaftConfig
    label = "RAFT"

    @property
    def updates(self) -> int:
        """`PARTS` a round."""
        return PARTS * self.config.rounds

    @property
    def at_once(self) -> int:
        """A batch."""
        return self.config.batch

    def steps(self, prompts: int) -> int:
        """Batches in all."""
        return self.config.rounds * self._batches(prompts)

    def described(self) -> str:
        """Its settings."""
        config = self.config
        return f"{config.rounds} x {config.texts} texts a prompt, {config.kept} kept, {config.passes} passes"

    def within(self, calls: int, prompts: int) -> Self:
        """With fewer texts a prompt, or more."""
        texts, kept = calls // (prompts * self.config.rounds), self.config.kept
        if texts < kept:
            least = prompts * self.config.rounds * kept
            raise InputError(f"raft: {calls} calls are too few for {prompts} prompts; give --calls {least} or more")
        return replace(self, config=replace(self.config, texts=texts))

    def tune(
        self,
        writer: Writer,
        asked: Sequence[tuple[Product, str]],
        reward: ScoredTexts,
        *,
        seed: int,
        on_update: OnUpdate = lambda update: None,
        resumed: TuningState | None = None,
    ) -> TuningResult:
        """Tunes the writer in place; see the contract."""
        result = TuningResult()
        for update in self._updates(writer, asked, reward, seed, resumed):
            result.updates.append(update)
            result.stopped = on_update(update) or ""
            if result.stopped:
                break
        return result

    def _updates(
        self,
        writer: Writer,
        asked: Sequence[tuple[Product, str]],
        reward: ScoredTexts,
        seed: int,
        resumed: TuningState | None,
    ) -> Iterator[Update]:
        start, done = own_weights(writer), resumed.step if resumed else 0
        rate = fitting_rate(self.config.learning_rate, writer, small=3e-4, large=5e-5)
        if resumed is not None:
            load_weights(writer, resumed.part("policy"))
        for number in range(done // PARTS, self.config.rounds):
            behind = max(0, done - number * PARTS)
            if not behind:
                write_more(writer, asked, self.config.texts, reward, _generator(seed, number))
                load_weights(writer, start)
            learner = Learner(writer, self._batches(len(asked)), rate)
            follow_ranks(writer.model, learner.optimizer)
            if behind and resumed is not None:
                put_back(resumed, writer, learner.optimizer, learner.schedule)
            yield from self._round(learner, asked, self._best(reward), seed, number, behind)

    def _best(self, reward: ScoredTexts) -> list[Creative]:
        """What is learned from, the texts of a prompt together; those written first are the untuned writer's."""
        first = places(reward.group, self.config.kept)[:, 0]
        chosen = reward.best(self.config.kept, [reward.texts[i] for i in first.tolist()])
        return [reward.texts[i] for i in chosen.rows.tolist()]

    def _round(
        self,
        learner: Learner,
        asked: Sequence[tuple[Product, str]],
        best: Sequence[Creative],
        seed: int,
        number: int,
        behind: int,
    ) -> Iterator[Update]:
        """Learns, from the part on that comes after those that are behind it."""
        writer, prompts = learner.writer, [prompt(*pair) for pair in asked for _ in range(self.config.kept)]
        generator = _generator(seed + 1, number)
        order = torch.cat([torch.randperm(len(best), generator=generator) for _ in range(self.config.passes)])
        batches = [rows.tolist() for rows in order.split(self.config.batch)]
        for part in range(behind, PARTS):
            step, (first, last) = number * PARTS + part + 1, (len(batches) * i // PARTS for i in (part, part + 1))
            with torch.random.fork_rng(devices=[writer.device] if writer.device.type == "cuda" else []):
                torch.manual_seed(seed + 7919 * step)
                losses = [
                    learner.learn([prompts[i] for i in rows], [best[i].text for i in rows])
                    for rows in batches[first:last]
                ]
            metrics = {"loss": sum(losses) / len(losses)} if losses else {}
            yield Update(step, metrics, partial(take_state, step, writer, learner.optimizer, learner.schedule))

    def _batches(self, prompts: int) -> int:
        """Batches a round."""
        return -(-self.config.passes * self.config.kept * prompts // self.config.batch)


def _generator(seed: int, number: int) -> torch.Generator:
    """Random numbers of a round."""
    return torch.Generator().manual_seed(seed + 7919 * (number + 1))
