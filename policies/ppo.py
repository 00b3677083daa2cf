"""PPO through TRL, the one place where TRL is imported.

TRL's PPOTrainer wants a reward *model*; ours is a function. `RewardAdapter` is a module whose backbone hands on the
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
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor, nn
from transformers import DataCollatorWithPadding, PrinterCallback, TrainerCallback

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # PPO is experimental in TRL; the pinned range says so
from trl.experimental.ppo import PPOConfig, PPOTrainer

from ..simulation.catalog import Creative, Product
from ..simulation.tables import InputError
from .adapters import follow_ranks
from .reward import RewardFunction, Rewards
from .state import TuningState, load_optimizer, optimizer_tensors
from .trl_calls import Calls, Stopped, own_calls
from .writer import Writer, load_weights, own_weights, prompt


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
    kl_start: float = 0.3
    """Coefficient of the KL penalty, and the least that it is."""
    kl_target: float = 8.0
    """Nats a text above which the coefficient grows (after Ziegler et al., arXiv 1909.08593)."""
    kl_cap: float = 25.0
    """Nats a text above which an update is not learned from any more, and tuning stops."""
    clip: float = 0.2
    missing_end: float = 1.0
    """Taken off the reward of a text that does not end."""
    bf16: bool = False
    """Whether to compute in bfloat16 while weights stay float32; for GPUs."""
    gradient_checkpointing: bool = False
    """Whether to compute activations twice rather than keep them: less memory, more time."""

    @property
    def steps(self) -> int:
        """Optimizer steps an update."""
        return self.epochs * self.mini_batches

    def __post_init__(self) -> None:
        if self.batch % self.group or self.batch % self.mini_batches:
            raise InputError(f"batch {self.batch} must be a multiple of group {self.group} and of mini-batches")
        if self.kl_target <= 0:
            raise InputError(f"kl_target {self.kl_target}: must be above zero, or nothing holds the writer back")
        if self.kl_cap <= self.kl_target:
            raise InputError(f"kl_cap {self.kl_cap}: must be above kl_target {self.kl_target}, which it backs up")


@dataclass(frozen=True)
class Update:
    """One PPO update."""

    step: int
    kl: float
    """Nats a text between the writer and its untuned self, estimated on the batch."""
    metrics: dict[str, float]
    """Reward terms (`raw/...`, `weighted/...`), TRL's own (`trl/...`) and the KL coefficient."""
    snapshot: Callable[[], TuningState] | None = field(default=None, repr=False, compare=False)
    """Takes all that a further update depends on; None where an algorithm cannot be resumed."""


@dataclass
class Tuned:
    """What tuning did."""

    updates: list[Update] = field(default_factory=list)
    """Those of this session."""
    stopped: str = ""
    """Why it ended before its last update, if it did."""


OnUpdate = Callable[[Update], str | None]
"""Called after every update; the writer may be sampled in it. A text that it returns ends tuning, and says why."""


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


class RewardAdapter(nn.Module):
    """Looks like a reward model to TRL: `backbone` passes ids on, `score` decodes and rewards them."""

    base_model_prefix = "backbone"

    def __init__(
        self, writer: Writer, asked: Sequence[tuple[Product, str]], reward: RewardFunction, *, grouped: bool = True
    ) -> None:
        """Keeps what it scores with; `grouped` centres scores on their prompt."""
        super().__init__()
        self._grouped = grouped
        self._writer, self._reward = writer, reward
        self._number = {self._as_decoded(prompt(*pair)): i for i, pair in enumerate(asked)}
        self._asked = list(asked)
        self.last: Rewards | None = None

    def backbone(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> SimpleNamespace:
        """Hands ids and mask on."""
        return SimpleNamespace(hidden_states=[(input_ids, attention_mask)])

    def score(self, hidden: tuple[Tensor, Tensor]) -> Tensor:
        """[n, T, 1]: every token has its text's reward, of which TRL takes the last."""
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
        score = centred(self.last.total, asked) if self._grouped else self.last.total
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


class PromptOrder:
    """Which prompts a batch asks: pass after pass over all of them, each in a random order of its own."""

    def __init__(self, prompts: int, batch: int, seed: int) -> None:
        """Sets how many prompts there are, and how many a batch asks."""
        self.prompts, self.batch, self.seed = prompts, batch, seed

    def __call__(self, number: int) -> list[int]:
        """Indices of the prompts of batch `number`, counted from 0; the same whatever was asked before."""
        places = range(number * self.batch, (number + 1) * self.batch)
        orders = {place // self.prompts for place in places}
        order = {i: np.random.default_rng([self.seed, i]).permutation(self.prompts) for i in orders}
        return [int(order[place // self.prompts][place % self.prompts]) for place in places]


class _Collator:
    """Fills TRL's batches: whatever rows its loader drew, the next prompts of our order, each `group` times."""

    def __init__(self, writer: Writer, prompts: Sequence[str], order: PromptOrder, group: int, first: int) -> None:
        self._pad = DataCollatorWithPadding(writer.tokenizer)
        self._rows = [{"input_ids": ids} for ids in writer.tokenizer(list(prompts))["input_ids"]]
        self._order, self._group, self._next = order, group, first

    def __call__(self, rows: list[int]) -> Any:
        state = PartialState()
        number = self._next * state.num_processes + state.process_index
        self._next += 1
        return self._pad([self._rows[i] for i in self._order(number) for _ in range(self._group)])


@dataclass
class UpdateWatch(TrainerCallback):
    """Reads every update, steers the KL coefficient and tells the caller."""

    adapter: RewardAdapter
    control: AdaptiveKL | None
    """None leaves the coefficient where it is."""
    on_update: OnUpdate
    done: int = 0
    """Updates of earlier sessions."""
    snapshot: Callable[[int], TuningState] | None = None
    seen: list[Update] = field(default_factory=list)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Counts on from where an earlier session stopped."""
        state.global_step, state.episode = self.done, self.done * args.batch_size

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Keeps the update."""
        logs = logs or {}
        if "objective/kl" not in logs or self.adapter.last is None:
            return
        rewards, kl, step = self.adapter.last, logs["objective/kl"], state.global_step
        metrics = {"reward": float(rewards.total.mean()), "kl_coefficient": args.kl_coef}
        metrics |= {f"raw/{name}": float(values.mean()) for name, values in rewards.raw.items()}
        metrics |= {f"weighted/{name}": float(values.mean()) for name, values in rewards.weighted.items()}
        metrics |= {f"trl/{name}": value for name, value in logs.items() if name not in _CLOCKED}
        take = self.snapshot
        self.seen.append(Update(step, kl, metrics, None if take is None else lambda: take(step)))
        if self.control is not None:
            args.kl_coef = self.control.update(kl)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tells the caller."""
        reason = self.on_update(self.seen[-1])
        if reason:
            raise Stopped(reason)


_CLOCKED = {"eps", "epoch"}
"""What TRL logs that depends on the clock, or on nothing."""


def tune(
    writer: Writer,
    asked: Sequence[tuple[Product, str]],
    reward: RewardFunction,
    config: TuneConfig,
    *,
    seed: int,
    on_update: OnUpdate = lambda update: None,
    resumed: TuningState | None = None,
) -> Tuned:
    """Tunes the writer in place.

    Args:
        writer: its model is trained; the reference of the KL penalty is a copy made here.
        asked: products and audiences that are written for, in random order, over and over.
        reward: the only judge.
        config: sizes and rates.
        seed: of sampling and shuffling.
        on_update: called after every update.
        resumed: what `Update.snapshot` took in a session that was broken off; the writer is the one that session began
            with, and what follows is what would have followed then.
    """
    adapter = RewardAdapter(writer, asked, reward)
    done = resumed.step if resumed else 0
    watch = UpdateWatch(adapter, AdaptiveKL(config.kl_start, config.kl_target), on_update, done)
    calls = Calls(
        replace(writer.sampling, top_p=1.0), seed + 100_003 * PartialState().process_index, done, config.kl_cap
    )
    calls.bf16 = config.bf16
    tuned = Tuned(watch.seen)
    with tempfile.TemporaryDirectory() as scratch, as_it_was(writer.device), own_calls(calls):
        trainer = _trainer(writer, asked, config, watch, _arguments(config, writer, scratch, seed), seed)
        if resumed is not None:
            _put_back(trainer, writer, watch, resumed)
        trainer.args.num_total_batches = config.updates - done
        watch.snapshot = lambda step: _snapshot(trainer, writer, step)
        try:
            trainer.train()
        except Stopped as stop:
            tuned.stopped = str(stop)
    writer.model.eval()
    if config.gradient_checkpointing:
        writer.model.gradient_checkpointing_disable()
    return tuned


def _trainer(
    writer: Writer,
    asked: Sequence[tuple[Product, str]],
    config: TuneConfig,
    watch: UpdateWatch,
    arguments: PPOConfig,
    seed: int,
) -> PPOTrainer:
    writer.tokenizer.padding_side = "left"
    if config.gradient_checkpointing:
        writer.model.gradient_checkpointing_enable()
        writer.model.enable_input_require_grads()
    order = PromptOrder(len(asked), config.batch // config.group, seed)
    rows = _Collator(writer, [prompt(*pair) for pair in asked], order, config.group, watch.done)
    trainer = PPOTrainer(
        args=arguments,
        processing_class=writer.tokenizer,
        model=writer.model,
        # Of a model with an adapter the reference is the model without it.
        ref_model=None if hasattr(writer.model, "peft_config") else copy.deepcopy(writer.model).requires_grad_(False),
        # TRL's annotations ask for more than it uses: any module with `base_model_prefix` and `score` does, and of the
        # data sets their length; nothing is evaluated.
        reward_model=watch.adapter,  # pyright: ignore[reportArgumentType]
        value_model=_NoCritic(),  # pyright: ignore[reportArgumentType]
        train_dataset=range(config.updates * config.batch),  # pyright: ignore[reportArgumentType]
        eval_dataset=range(1),  # pyright: ignore[reportArgumentType]
        data_collator=rows,  # pyright: ignore[reportArgumentType]
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    follow_ranks(writer.model, getattr(trainer.optimizer, "optimizer", trainer.optimizer))
    return trainer


def _snapshot(trainer: PPOTrainer, writer: Writer, step: int) -> TuningState:
    """Weights, optimizer, schedule and KL coefficient; data order and random numbers follow from seed and step."""
    tensors, rest = optimizer_tensors(trainer.optimizer)  # pyright: ignore[reportArgumentType]
    tensors = {f"optimizer.{name}": tensor for name, tensor in tensors.items()}
    tensors |= {f"policy.{name}": tensor for name, tensor in own_weights(writer).items()}
    schedule = copy.deepcopy(trainer.lr_scheduler.state_dict())  # pyright: ignore[reportOptionalMemberAccess]
    facts = {"optimizer": rest, "schedule": schedule, "kl_coefficient": trainer.args.kl_coef}
    return TuningState(step, tensors, facts)


def _put_back(trainer: PPOTrainer, writer: Writer, watch: UpdateWatch, state: TuningState) -> None:
    load_weights(writer, state.part("policy"))
    load_optimizer(trainer.optimizer, state.part("optimizer"), state.facts["optimizer"])  # pyright: ignore[reportArgumentType]
    trainer.lr_scheduler.load_state_dict(state.facts["schedule"])  # pyright: ignore[reportOptionalMemberAccess]
    trainer.args.kl_coef = state.facts["kl_coefficient"]
    if watch.control is not None:
        watch.control.coefficient = trainer.args.kl_coef


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
        bf16=config.bf16,
        gradient_checkpointing=config.gradient_checkpointing,
        use_cpu=writer.device.type == "cpu",
    )


@contextlib.contextmanager
def as_it_was(device: torch.device) -> Iterator[None]:
    """Puts the global random generators back that training seeds; keeps TRL's line on starting, and warnings of what is
    meant or of what TRL still calls, off the terminal; and spares what is there before training from the garbage
    collection that TRL asks for in every update.
    """
    state, log = np.random.get_state(), logging.getLogger("transformers")  # noqa: NPY002
    level = log.level
    log.setLevel(logging.ERROR)
    gc.collect()
    gc.freeze()
    try:
        with (
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
            contextlib.redirect_stdout(None),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        gc.unfreeze()
        log.setLevel(level)
        np.random.set_state(state)  # noqa: NPY002
