"""RLOO and GRPO by TRL's trainers, which take the texts of a prompt for each other's baseline.

They get the same prompts, reward, texts an update, steps, learning rate and price of KL as PPO, and what TRL sets by
default otherwise. Sampling, the order of prompts and the reference are ours, as for PPO.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from datasets import Dataset
from torch import Tensor
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer

from ...simulation.data.catalog import Creative, Product
from ..reward.reward import RewardFunction, Rewards
from ..writer.chat import NO_THINKING
from ..writer.prompts import prompt
from ..writer.rollout import among, sample
from ..writer.writer import Writer
from .contract import TuningResult
from .policy_gradient import OnPolicy, PolicyGradientConfig, Session, seed_all
from .prompt_order import PromptOrder


@dataclass(frozen=True)
class RlooConfig(PolicyGradientConfig):
    """How the writer is tuned by RLOO."""


@dataclass(frozen=True)
class GrpoConfig(PolicyGradientConfig):
    """How the writer is tuned by GRPO."""


class _Session(Session):
    """These trainers log when an update is complete, and give the KL a token."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        super().on_log(args, state, control, logs)
        if "kl" in (logs or {}):
            self.tell()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        pass

    @property
    def steps_logged(self) -> int:
        return self.config.steps

    def kl(self, logs: dict[str, float]) -> float | None:
        return logs["kl"] * logs["completions/mean_length"] if "kl" in logs else None

    def facts(self) -> dict[str, float]:
        return {"kl_coefficient": self.config.kl_start}


@dataclass(frozen=True)
class _GroupBaseline(OnPolicy):
    """A way of tuning by one of these trainers."""

    session: ClassVar[type[Session]] = _Session
    trainer: ClassVar[Any]
    arguments: ClassVar[Any]

    def _train(self, session: Session) -> TuningResult:
        config, writer, asked = self.config, session.writer, session.asked
        session.judge = _Judge(writer, asked, session.reward, config.missing_end)
        order = PromptOrder(len(asked), config.batch // config.group, session.seed)
        numbers = [i for update in range(session.done, config.updates) for i in order(update)]
        rows = [{"prompt": writer.asked(prompt(*asked[i])), "number": i} for i in numbers]

        def make(scratch: str) -> Any:
            trainer = self.trainer(
                model=writer.model,
                reward_funcs=session.judge,
                args=self.arguments(output_dir=scratch, **_settings(session)),
                train_dataset=Dataset.from_list(rows),
                processing_class=writer.tokenizer,
            )
            # Told that KL costs nothing they make no reference, which they would load by name; but it does cost.
            trainer.beta = config.kl_start
            if not hasattr(writer.model, "peft_config"):
                trainer.ref_model = copy.deepcopy(writer.model).requires_grad_(False).eval()
                trainer.ref_model.register_forward_pre_hook(_with_places, with_kwargs=True)
                trainer.ref_model.register_forward_hook(_Sayable(writer), with_kwargs=True)
            return trainer

        with _own_sampling(writer, session.seed, session.done):
            return session.run(make)


class Rloo(_GroupBaseline):
    """RLOO (Ahmadian et al., "Back to Basics", ACL 2024)."""

    label = "RLOO"
    trainer, arguments = RLOOTrainer, RLOOConfig


class Grpo(_GroupBaseline):
    """GRPO (Shao et al., "DeepSeekMath", arXiv 2402.03300)."""

    label = "GRPO"
    trainer, arguments = GRPOTrainer, GRPOConfig


@dataclass
class _Judge:
    """The reward as these trainers call it: lists of prompts and completions, and columns of the data set."""

    writer: Writer
    asked: Sequence[tuple[Product, str]]
    reward: RewardFunction
    missing_end: float
    last: Rewards | None = None
    __name__: str = field(default="reward", init=False)

    def __call__(self, completion_ids: list[list[int]], number: list[int], **_: Any) -> list[float]:
        pairs = [self.asked[i] for i in number]
        texts = self.writer.decode([prompt(*pair) for pair in pairs], completion_ids)
        creatives = [
            Creative(product.product_id, text, audience) for (product, audience), text in zip(pairs, texts, strict=True)
        ]
        self.last = self.reward(creatives, torch.tensor(number))
        unended = torch.tensor([float(ids[-1:] != [self.writer.sampling.eos]) for ids in completion_ids])
        return (self.last.total - self.missing_end * unended).tolist()


def _settings(session: Session) -> dict[str, Any]:
    config, writer = session.config, session.writer
    return {
        "per_device_train_batch_size": config.batch // config.mini_batches,
        "steps_per_generation": config.mini_batches,
        "gradient_accumulation_steps": 1,
        "num_generations": config.group,
        "num_iterations": config.epochs,
        "max_steps": config.updates * config.steps,
        "shuffle_dataset": False,
        "learning_rate": session.learning_rate,
        "beta": 0.0,
        "epsilon": config.clip,
        "max_completion_length": writer.config.max_new_tokens,
        "temperature": writer.config.temperature,
        "seed": session.seed,
        "save_strategy": "no",
        "report_to": "none",
        "logging_steps": config.steps,
        "disable_tqdm": True,
        "bf16": config.bf16,
        "chat_template_kwargs": NO_THINKING,
        "gradient_checkpointing": config.gradient_checkpointing,
        "use_cpu": writer.device.type == "cpu",
    }


def _with_places(_: Any, args: tuple, given: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """These trainers leave out the positions of padded prompts, which GPT-2 would then count from the padding on: the
    probabilities they learn from would be those of other texts than were sampled.
    """
    mask = given.get("attention_mask")
    if mask is not None and given.get("position_ids") is None:
        given = given | {"position_ids": (mask.long().cumsum(1) - 1).clamp(min=0)}
    return args, given


@dataclass
class _Sayable:
    """Leaves out of a model's logits what an answer may not have, as sampling does."""

    writer: Writer
    off: bool = False
    """While our sampling asks, which sees to it itself."""

    def __call__(self, _: Any, args: tuple, given: dict[str, Any], output: Any) -> Any:
        sayable, ids = self.writer.sampling.sayable, given.get("input_ids")
        if self.off or sayable is None or ids is None:
            return output
        which, may = sayable(ids)
        shape = output.logits.shape
        rows = may.repeat_interleave(shape[1], 0)
        output.logits = among(output.logits.flatten(0, 1), which, rows).view(shape)
        return output


@contextmanager
def _own_sampling(writer: Writer, seed: int, done: int) -> Iterator[None]:
    """Puts our sampling in the place of the model's `generate`: the first thing an update does."""
    model, how, update = writer.model, replace(writer.sampling, top_p=1.0), done

    def generate(input_ids: Tensor, attention_mask: Tensor, **_: Any) -> Tensor:
        nonlocal update
        update += 1
        seed_all(seed, update)
        was_training, says.off = model.training, True
        model.eval()
        answers = sample(model, input_ids, attention_mask, how).tokens
        model.train(was_training)
        says.off = False
        return torch.cat([input_ids, answers], 1)

    says = _Sayable(writer)
    hooks = [
        model.register_forward_pre_hook(_with_places, with_kwargs=True),
        model.register_forward_hook(says, with_kwargs=True),
    ]
    model.generate = generate
    try:
        yield
    finally:
        del model.generate
        for hook in hooks:
            hook.remove()
