"""PPO through TRL.

TRL's PPOTrainer wants a reward *model*; ours is a function. `RewardAdapter` is a module whose backbone hands on the
token ids and whose `score` decodes them and calls the function. Departures from TRL's defaults, each for a reason that
showed in runs: k texts for each prompt of a batch, whose mean reward is the baseline, and no critic (an untrained one
with lam = 0.95 gives the last tokens the credit, and the policy learns to stop early; one that learns as it goes cost
more than it saved); one pass over each batch, as fresh texts are cheaper than second looks; no gradient accumulation
(TRL counts it across mini-batches, so that most optimizer steps would be skipped).
"""

import copy
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor, nn
from transformers import PrinterCallback, TrainerCallback

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # PPO is experimental in TRL; the pinned range says so
from trl.experimental.ppo import PPOConfig, PPOTrainer

from ...simulation.data.catalog import Product
from ..reward.reward import RewardFunction
from ..writer.adapters import follow_ranks
from ..writer.writer import Writer, load_weights, own_weights, prompt
from .contract import AdaptiveKL, OnUpdate, TuneConfig, Tuned, Update, as_it_was
from .prompt_order import Collator, PromptOrder
from .reward_adapter import RewardAdapter
from .state import TuningState, load_optimizer, optimizer_tensors
from .trl_calls import Calls, Stopped, own_calls


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
        metrics = rewards.means() | {"kl_coefficient": args.kl_coef}
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
    rows = Collator(writer, [prompt(*pair) for pair in asked], order, config.group, watch.done)
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
