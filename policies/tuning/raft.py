"""Reward-ranked fine-tuning: the writer learns from the best of what it wrote (RAFT, Dong et al., TMLR 2023).

In each round it answers every prompt several times; of all that was written so far the best for each prompt are kept,
together as diverse as the untuned writer's (see `select`); and the writer, from its untuned weights on, learns those.
What it learns from is diverse by construction, and few passes over few texts keep it near where it began.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from transformers import get_cosine_schedule_with_warmup

from ...simulation.data.catalog import Creative, Product
from ...simulation.data.errors import InputError
from ..reward.candidates import Candidates
from ..reward.diversity import vendi
from ..reward.select import choose, write_more
from ..writer.likelihood import kl_between
from ..writer.supervised import nats_a_token
from ..writer.writer import Writer, load_weights, own_weights, prompt
from .contract import OnUpdate, Tuned, Update, as_it_was
from .state import TuningState


@dataclass(frozen=True)
class RaftConfig:
    """How the writer learns from the best of what it wrote."""

    updates: int = 1
    """Rounds of writing, choosing and learning."""
    texts: int = 48
    """Texts a prompt and round."""
    kept: int = 2
    """Texts a prompt that are learned from."""
    passes: int = 4
    """Passes over them."""
    batch: int = 32
    learning_rate: float = 3e-4
    """Peak of a cosine schedule."""
    diversity: float = 0.95
    """Share of the untuned writer's Vendi score that what is learned from should have."""

    def __post_init__(self) -> None:
        if min(self.updates, self.kept, self.passes, self.batch) < 1 or self.texts < self.kept:
            raise InputError(
                f"raft: updates {self.updates}, texts {self.texts}, kept {self.kept}, passes {self.passes}, batch "
                f"{self.batch}: each must be 1 or more, and texts not fewer than kept"
            )


def tune(
    writer: Writer,
    asked: Sequence[tuple[Product, str]],
    reward: Candidates,
    config: RaftConfig,
    *,
    seed: int,
    on_update: OnUpdate = lambda update: None,
    resumed: TuningState | None = None,
) -> Tuned:
    """Tunes the writer in place; see `ppo.tune`.

    Args:
        writer: its model is trained.
        asked: products and audiences that are written for.
        reward: judges, and holds all that was written so far.
        config: sizes and rates.
        seed: of writing and shuffling.
        on_update: called after every round.
        resumed: what `Update.snapshot` took in a session that was broken off; the writer is the one that session began
            with, and the reward holds what it had scored.
    """
    start, tuned, done = own_weights(writer), Tuned(), resumed.step if resumed else 0
    floor = config.diversity * _untuned_vendi(writer, asked, reward, config, seed)
    if resumed is not None:
        load_weights(writer, resumed.part("policy"))
    for step in range(done + 1, config.updates + 1):
        generator = torch.Generator().manual_seed(seed + 7919 * step)
        rewards = write_more(writer, asked, config.texts, reward, generator)
        best = [reward.texts[i] for i in choose(reward, config.kept, floor).rows.tolist()]
        load_weights(writer, start)
        loss = learn(writer, [pair for pair in asked for _ in range(config.kept)], best, config, generator)
        metrics = rewards.means() | {"loss": loss}
        kl = kl_between(writer, start, asked, seed + step, n=1)
        update = Update(step, kl, metrics, partial(_state, writer, step))
        tuned.updates.append(update)
        tuned.stopped = on_update(update) or ""
        if tuned.stopped:
            break
    return tuned


def learn(
    writer: Writer,
    asked: Sequence[tuple[Product, str]],
    texts: Sequence[Creative],
    config: RaftConfig,
    generator: torch.Generator,
) -> float:
    """Fine-tunes the writer on texts, one a prompt; the mean loss in nats a token."""
    prompts, steps = [prompt(*pair) for pair in asked], -(-config.passes * len(texts) // config.batch)
    weights = [weight for weight in writer.model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=0.0, betas=(0.9, 0.98))
    schedule = get_cosine_schedule_with_warmup(optimizer, max(1, steps // 20), steps)
    order = torch.cat([torch.randperm(len(texts), generator=generator) for _ in range(config.passes)])
    losses = []
    with as_it_was(writer.device):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
        writer.model.train()
        for rows in order.split(config.batch):
            batch = rows.tolist()
            loss = nats_a_token(writer, [prompts[i] for i in batch], [texts[i].text for i in batch], longest=10**6)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
        writer.model.eval()
    return sum(losses) / len(losses)


def _untuned_vendi(
    writer: Writer, asked: Sequence[tuple[Product, str]], reward: Candidates, config: RaftConfig, seed: int
) -> float:
    """Vendi score of as many of the untuned writer's texts as are learned from."""
    products, audiences = zip(*asked, strict=True)
    texts = writer.write(products, audiences, config.kept, generator=torch.Generator().manual_seed(seed))
    return vendi(reward.encode(texts))


def _state(writer: Writer, step: int) -> TuningState:
    """All that a further round depends on beside what the reward holds."""
    return TuningState(step, {f"policy.{name}": weight for name, weight in own_weights(writer).items()})
