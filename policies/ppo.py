"""PPO through TRL, the one place where TRL is imported.

TRL's PPOTrainer wants a reward *model*; ours is a function. `_RewardAdapter` is a module whose backbone hands on the
token ids and whose `score` decodes them and calls the function. Departures from TRL's defaults, each for a reason that
showed in runs: k texts for each prompt of a batch, whose mean reward is the baseline, and no critic (an untrained one
with lam = 0.95 gives the last tokens the credit, and the policy learns to stop early; one that learns as it goes cost
more than it saved); one pass over each batch, as fresh texts are cheaper than second looks; no gradient accumulation
(TRL counts it across mini-batches, so that most optimizer steps would be skipped).
"""

import contextlib
import copy
import gc
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import DataCollatorWithPadding, PrinterCallback, TrainerCallback

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # PPO is experimental in TRL; the pinned range says so
from trl.experimental.ppo import PPOConfig, PPOTrainer

from ..simulation.catalog import Creative, Product
from ..simulation.tables import InputError
from .reward import Rewards
from .writer import Writer, prompt

RewardFunction = Callable[[Sequence[Creative], Tensor], Rewards]
"""Creatives and the [n] numbers of their prompts, to rewards."""


@dataclass(frozen=True)
class TuneConfig:
    """How the writer is tuned."""

    updates: int = 80
    batch: int = 192
    """Texts an update."""
    group: int = 4
    """Texts for each prompt of a batch."""
    epochs: int = 1
    """Passes over a batch."""
    mini_batches: int = 4
    learning_rate: float = 3e-4
    kl_start: float = 0.12
    """Coefficient of the KL penalty, and the least that it is."""
    kl_target: float = 8.0
    """Nats a text above which the coefficient grows (after Ziegler et al., arXiv 1909.08593)."""
    clip: float = 0.2
    missing_end: float = 1.0
    """Taken off the reward of a text that does not end."""

    def __post_init__(self) -> None:
        if self.batch % self.group or self.batch % self.mini_batches:
            raise InputError(f"batch {self.batch} must be a multiple of group {self.group} and of mini-batches")
        if self.kl_target <= 0:
            raise InputError(f"kl_target {self.kl_target}: must be above zero, or nothing holds the writer back")


@dataclass(frozen=True)
class Update:
    """One PPO update."""

    step: int
    kl: float
    """Nats a text between the writer and its untuned self, estimated on the batch."""
    metrics: dict[str, float]
    """Reward terms (`raw/...`, `weighted/...`), TRL's own (`trl/...`) and the KL coefficient."""


@dataclass
class AdaptiveKL:
    """The coefficient of the KL penalty, steered by a target (Ziegler et al., arXiv 1909.08593, section 2.2).

    Unlike there it never falls below where it starts: a coefficient that decays while KL is below its target pays for
    drift that earns nothing.
    """

    coefficient: float
    target: float
    gain: float = 0.2
    least: float = field(init=False)

    def __post_init__(self) -> None:
        self.least = self.coefficient

    def update(self, kl: float) -> float:
        """max(least, coefficient * (1 + gain * clip(kl / target - 1, -0.5, 0.5)))."""
        error = min(max(kl / self.target - 1, -0.5), 0.5)
        self.coefficient = max(self.least, self.coefficient * (1 + self.gain * error))
        return self.coefficient


class _RewardAdapter(nn.Module):
    """Looks like a reward model to TRL: `backbone` passes ids on, `score` decodes and rewards them."""

    base_model_prefix = "backbone"

    def __init__(self, writer: Writer, asked: Sequence[tuple[Product, str]], reward: RewardFunction) -> None:
        super().__init__()
        self._writer, self._reward = writer, reward
        self._number = {self._as_decoded(prompt(*pair)): i for i, pair in enumerate(asked)}
        self._asked = list(asked)
        self.last: Rewards | None = None

    def backbone(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(hidden_states=[(input_ids, attention_mask)])

    def score(self, hidden: tuple[Tensor, Tensor]) -> Tensor:
        ids, mask = hidden
        lines = [self._decode(row[keep.bool()]) for row, keep in zip(ids, mask, strict=True)]
        split = [line.partition("=>") for line in lines]
        numbers = [self._number[question + arrow] for question, arrow, _ in split]
        creatives = [
            Creative(self._asked[i][0].product_id, answer.strip(), self._asked[i][1])
            for i, (_, _, answer) in zip(numbers, split, strict=True)
        ]
        asked = torch.tensor(numbers)
        self.last = self._reward(creatives, asked)
        score = centred(self.last.total, asked)
        return score.to(ids.device)[:, None, None].expand(-1, ids.shape[1], 1)

    def _decode(self, ids: Tensor) -> str:
        return str(self._writer.tokenizer.decode(ids, skip_special_tokens=True))

    def _as_decoded(self, text: str) -> str:
        return self._decode(torch.tensor(self._writer.tokenizer(text)["input_ids"]))


def centred(total: Tensor, group: Tensor) -> Tensor:
    """Rewards minus the mean of their group, [n]: what a prompt earns whatever is written for it is no merit of a text
    (the baseline of RLOO: Ahmadian et al., "Back to Basics", ACL 2024). Groups of one keep their reward.
    """
    _, row, count = group.unique(return_inverse=True, return_counts=True)
    mean = torch.zeros(len(count)).index_add_(0, row, total) / count
    return torch.where(count[row] > 1, total - mean[row], total)


class _NoCritic(nn.Module):
    """Looks like a value model to TRL and foresees nothing.

    Scores come centred on their prompt, which is most of what a critic could know before a text is written. What it
    could learn within a run, from some thousands of texts, made updates a third slower and no better.
    """

    base_model_prefix = "backbone"

    def backbone(self, input_ids: Tensor, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(hidden_states=[input_ids])

    def score(self, ids: Tensor) -> Tensor:
        return torch.zeros(*ids.shape, 1, device=ids.device)


class _Grouped:
    """A collator that keeps the first rows of a batch and repeats each `group` times."""

    def __init__(self, inner: DataCollatorWithPadding, group: int) -> None:
        self.inner, self.group = inner, group

    def __call__(self, rows: list[dict[str, Any]]) -> Any:
        kept = rows[: len(rows) // self.group] or rows[:1]
        return self.inner([row for row in kept for _ in range(self.group)])


@dataclass
class _Watch(TrainerCallback):
    """Reads every update, steers the KL coefficient and tells the caller."""

    adapter: _RewardAdapter
    control: AdaptiveKL
    on_update: Callable[[Update], None]
    seen: list[Update] = field(default_factory=list)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        logs = logs or {}
        if "objective/kl" not in logs or self.adapter.last is None:
            return
        rewards, kl = self.adapter.last, logs["objective/kl"]
        metrics = {"reward": float(rewards.total.mean()), "kl_coefficient": args.kl_coef}
        metrics |= {f"raw/{name}": float(values.mean()) for name, values in rewards.raw.items()}
        metrics |= {f"weighted/{name}": float(values.mean()) for name, values in rewards.weighted.items()}
        metrics |= {f"trl/{name}": value for name, value in logs.items() if name not in _CLOCKED}
        self.seen.append(Update(state.global_step, kl, metrics))
        args.kl_coef = self.control.update(kl)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.on_update(self.seen[-1])


_CLOCKED = {"eps", "epoch"}
"""What TRL logs that depends on the clock, or on nothing."""


def tune(
    writer: Writer,
    asked: Sequence[tuple[Product, str]],
    reward: RewardFunction,
    config: TuneConfig,
    *,
    seed: int,
    on_update: Callable[[Update], None] = lambda update: None,
) -> list[Update]:
    """Tunes the writer in place.

    Args:
        writer: its model is trained; the reference of the KL penalty is a copy made here.
        asked: products and audiences that are written for, in random order, over and over.
        reward: the only judge.
        config: sizes and rates.
        seed: of TRL's sampling and shuffling.
        on_update: called after every update; the writer may be sampled in it.

    Returns:
        All updates.
    """
    adapter = _RewardAdapter(writer, asked, reward)
    watch = _Watch(adapter, AdaptiveKL(config.kl_start, config.kl_target), on_update)
    tokenizer = writer.tokenizer
    tokenizer.padding_side = "left"
    repeats = -(-config.batch // len(asked))
    rows = [{"input_ids": tokenizer(prompt(*pair))["input_ids"]} for pair in asked] * repeats
    with tempfile.TemporaryDirectory() as scratch, _own_randomness(writer.device), _quiet(), _no_old_garbage():
        trainer = PPOTrainer(
            args=_arguments(config, writer, scratch, seed),
            processing_class=tokenizer,
            model=writer.model,
            ref_model=copy.deepcopy(writer.model).requires_grad_(False),
            # TRL's annotations ask for more than it uses: any module with `base_model_prefix` and `score` does.
            reward_model=adapter,  # pyright: ignore[reportArgumentType]
            value_model=_NoCritic(),  # pyright: ignore[reportArgumentType]
            train_dataset=Dataset.from_list(rows),
            # TRL builds a loader for it whatever the settings; nothing is evaluated on it.
            eval_dataset=Dataset.from_list(rows[:1]),
            data_collator=_Grouped(DataCollatorWithPadding(tokenizer), config.group),  # pyright: ignore[reportArgumentType]
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        np.random.seed(seed)  # noqa: NPY002 - TRL shuffles mini-batches with numpy's global generator
        trainer.train()
    writer.model.eval()
    return watch.seen


def _arguments(config: TuneConfig, writer: Writer, scratch: str, seed: int) -> PPOConfig:
    return PPOConfig(
        output_dir=scratch,
        total_episodes=config.updates * config.batch,
        per_device_train_batch_size=config.batch,
        gradient_accumulation_steps=1,
        num_mini_batches=config.mini_batches,
        num_ppo_epochs=config.epochs,
        local_rollout_forward_batch_size=config.batch,
        learning_rate=config.learning_rate,
        kl_coef=config.kl_start,
        cliprange=config.clip,
        lam=1.0,
        gamma=1.0,
        response_length=writer.config.max_new_tokens,
        temperature=writer.config.temperature,
        stop_token="eos",
        missing_eos_penalty=config.missing_end,
        num_sample_generations=0,
        seed=seed,
        save_strategy="no",
        report_to="none",
        logging_steps=1,
        disable_tqdm=True,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=writer.device.type == "cpu",
    )


@contextlib.contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """TRL seeds the global generators; what they held before is put back."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


@contextlib.contextmanager
def _no_old_garbage() -> Iterator[None]:
    """TRL collects garbage in every update; what is there before training need not be gone through each time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """TRL prints a line when it starts, and transformers warns of what is meant and of what TRL still calls."""
    level = logging.getLogger("transformers").level
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(None), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.getLogger("transformers").setLevel(level)
