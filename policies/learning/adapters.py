"""Small updates to large models: LoRA and AdaLoRA through peft, merged into the model when tuning is over."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from peft import AdaLoraConfig, LoraConfig, TaskType, get_peft_model
from transformers.pytorch_utils import Conv1D

from ...simulation.data.errors import InputError
from ..writer.writer import Writer
from .rates import is_large


@dataclass(frozen=True)
class AdapterConfig:
    """Which weights are tuned: all, or small ones added to every linear layer."""

    kind: Literal["auto", "none", "lora", "adalora"] = "auto"
    """auto is lora for a model of 50 million weights or more, and none for a smaller one.

    lora (Hu et al., arXiv 2106.09685); adalora (Zhang et al., arXiv 2303.10512) moves rank to where it matters, here
    without its penalty on matrices that are not orthogonal, which TRL's loss has no place for.
    """
    rank: int = 8
    """Of each added matrix; with adalora, on average at the end (it starts at half as much again)."""
    alpha: int = 16
    """What is added counts alpha / rank."""

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1:
            raise InputError(f"adapter rank {self.rank} and alpha {self.alpha}: give 1 or more")


@contextmanager
def adapted(writer: Writer, config: AdapterConfig, *, steps: int, seed: int) -> Iterator[None]:
    """While it lasts, only an adapter of the writer's model learns; then it is merged, and the model is plain again.

    Args:
        writer: its model is replaced by the one with the adapter, and back.
        config: kind and size; where none is added nothing happens.
        steps: optimizer steps to come, for AdaLoRA's schedule of ranks.
        seed: of the adapter's first weights.
    """
    kind = config.kind
    if kind == "auto":
        kind = "lora" if is_large(writer) else "none"
    if kind == "none":
        yield
        return
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for a property by its old name
        torch.manual_seed(seed)
        writer.model = get_peft_model(writer.model, _config(writer.model, replace(config, kind=kind), steps))
    try:
        yield
    finally:
        writer.model = writer.model.merge_and_unload()
        writer.model.requires_grad_(True)


def _config(model: Any, config: AdapterConfig, steps: int) -> LoraConfig:
    common: dict[str, Any] = {
        "task_type": TaskType.CAUSAL_LM,
        "lora_alpha": config.alpha,
        "target_modules": "all-linear",
        "fan_in_fan_out": any(isinstance(module, Conv1D) for module in model.modules()),
    }
    if config.kind == "lora":
        return LoraConfig(r=config.rank, **common)
    return AdaLoraConfig(
        init_r=config.rank + -(-config.rank // 2),
        target_r=config.rank,
        total_step=max(steps, 3),
        tinit=steps // 10,
        tfinal=steps // 3,
        **common,
    )


def follow_ranks(model: Any, optimizer: torch.optim.Optimizer) -> None:
    """Lets AdaLoRA look at gradients after each step, and move ranks, as it asks for; others need nothing."""
    if not hasattr(model, "base_model") or not hasattr(model.base_model, "update_and_allocate"):
        return
    steps = iter(range(1, 10**9))
    optimizer.register_step_post_hook(lambda *_: model.base_model.update_and_allocate(next(steps)))
