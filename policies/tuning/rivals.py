"""Ways of tuning under one interface: PPO, TRL's RLOO and GRPO, RAFT, and no tuning at all.

TRL's get the same prompts, reward, texts an update, steps, learning rate and price of KL as PPO, and what TRL sets by
default otherwise. TRL's sampling is replaced as for PPO. Their sessions cannot be resumed: a broken-off one starts anew
from the warm-started writer.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer

from ...simulation.data.catalog import Creative, Product
from ..reward.reward import RewardFunction, Rewards
from ..writer.rollout import Sampling, sample
from ..writer.writer import Writer, prompt
from . import ppo, raft
from .contract import OnUpdate, TuneConfig, Tuned, Update, as_it_was
from .state import TuningState

Algorithm: TypeAlias = Literal["raft", "ppo", "rloo", "grpo", "best-of-n", "supervised"]
BEST_OF = 16
"""Texts that best-of-n writes for each that it keeps, unless told otherwise."""


@dataclass
class _Judge:
    """The reward as these trainers call it: lists of prompts and completions, and columns of the data set."""

    asked: Sequence[tuple[Product, str]]
    reward: RewardFunction
    eos: int
    missing_end: float
    last: Rewards | None = None
    __name__: str = "reward"

    def __call__(
        self, completions: list[str], completion_ids: list[list[int]], number: list[int], **_: Any
    ) -> list[float]:
        pairs = [self.asked[i] for i in number]
        creatives = [
            Creative(product.product_id, text.strip(), audience)
            for (product, audience), text in zip(pairs, completions, strict=True)
        ]
        self.last = self.reward(creatives, torch.tensor(number))
        unended = torch.tensor([float(ids[-1:] != [self.eos]) for ids in completion_ids])
        return (self.last.total - self.missing_end * unended).tolist()


@dataclass
class _Watch(TrainerCallback):
    judge: _Judge
    on_update: OnUpdate
    steps: int
    """Optimizer steps an update."""
    tuned: Tuned = field(default_factory=Tuned)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        if "kl" not in (logs or {}) or self.judge.last is None:
            return
        metrics = self.judge.last.means() | {"kl_coefficient": args.beta}
        update = Update(state.global_step // self.steps, (logs or {})["kl"], metrics)
        self.tuned.updates.append(update)
        reason = self.on_update(update)
        if reason:
            self.tuned.stopped, control.should_training_stop = reason, True


def _online(trainer: Any, config_class: Any) -> Callable[..., Tuned]:
    """A tuner by one of TRL's trainers that sample as they go; see `ppo.tune`."""

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
        judge = _Judge(asked, reward, writer.sampling.eos, config.missing_end)
        watch = _Watch(judge, on_update, config.mini_batches * config.epochs)
        rows = [{"prompt": prompt(*pair), "number": i} for i, pair in enumerate(asked)]
        writer.tokenizer.padding_side = "left"
        with (
            tempfile.TemporaryDirectory() as scratch,
            as_it_was(writer.device),
            _Sampler(writer),
            _reference(writer, scratch),
        ):
            run = trainer(
                model=writer.model,
                reward_funcs=judge,
                args=config_class(output_dir=scratch, **_settings(config, writer, seed)),
                train_dataset=Dataset.from_list(rows),
                processing_class=writer.tokenizer,
                callbacks=[watch],
            )
            run.remove_callback(PrinterCallback)
            hooks = [
                model.register_forward_pre_hook(_with_places, with_kwargs=True)
                for model in (writer.model, run.ref_model)
            ]
            run.train()
        for hook in hooks:
            hook.remove()
        writer.model.eval()
        return watch.tuned

    return tune


def _with_places(_: Any, args: tuple, given: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """These trainers leave out the positions of padded prompts, which GPT-2 would then count from the padding on: the
    probabilities they learn from would be those of other texts than were sampled.
    """
    mask = given.get("attention_mask")
    if mask is not None and given.get("position_ids") is None:
        given = given | {"position_ids": (mask.long().cumsum(1) - 1).clamp(min=0)}
    return args, given


def _settings(config: TuneConfig, writer: Writer, seed: int) -> dict[str, Any]:
    return {
        "per_device_train_batch_size": config.batch // config.mini_batches,
        "steps_per_generation": config.mini_batches,
        "gradient_accumulation_steps": 1,
        "num_generations": config.group,
        "num_iterations": config.epochs,
        "max_steps": config.updates * config.mini_batches * config.epochs,
        "learning_rate": config.learning_rate,
        "beta": config.kl_start,
        "epsilon": config.clip,
        "max_completion_length": writer.config.max_new_tokens,
        "temperature": writer.config.temperature,
        "seed": seed,
        "save_strategy": "no",
        "report_to": "none",
        "logging_steps": config.mini_batches * config.epochs,
        "disable_tqdm": True,
        "bf16": config.bf16,
        "gradient_checkpointing": config.gradient_checkpointing,
        "use_cpu": writer.device.type == "cpu",
    }


@contextmanager
def _reference(writer: Writer, folder: str) -> Iterator[None]:
    """Lets these trainers find the untuned writer, which they load by the name in the model's configuration."""
    name = writer.model.config._name_or_path
    writer.model.save_pretrained(folder)
    writer.model.config._name_or_path = folder
    try:
        yield
    finally:
        writer.model.config._name_or_path = name


class _Sampler:
    """Puts our sampling in the place of the model's `generate`."""

    def __init__(self, writer: Writer) -> None:
        self.model = writer.model
        self.how: Sampling = replace(writer.sampling, top_p=1.0)

    def __enter__(self) -> None:
        self.model.generate = self._generate

    def __exit__(self, *_: object) -> None:
        del self.model.generate

    def _generate(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> Tensor:
        was_training = self.model.training
        self.model.eval()
        answers = sample(self.model, input_ids, attention_mask, self.how).tokens
        self.model.train(was_training)
        return torch.cat([input_ids, answers], 1)


def _leave(writer: Writer, *_: Any, **__: Any) -> Tuned:
    """Leaves the writer as the warm start made it."""
    return Tuned()


TUNERS: dict[Algorithm, Callable[..., Tuned]] = {
    "raft": raft.tune,
    "ppo": ppo.tune,
    "rloo": _online(RLOOTrainer, RLOOConfig),
    "grpo": _online(GRPOTrainer, GRPOConfig),
    "best-of-n": _leave,
    "supervised": _leave,
}
"""By name, all called as `ppo.tune` is."""
