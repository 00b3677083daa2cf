"""TRL's PPOTrainer as it comes, to measure ours against: its own sampling, its own value model, its own settings."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from datasets import Dataset
from torch import nn
from transformers import DataCollatorWithPadding

from ...simulation.data.catalog import Product
from ..reward.reward import RewardFunction
from ..writer.writer import CausalLM, Writer, prompt
from .contract import OnUpdate, TuningResult
from .policy_gradient import OnPolicy, PolicyGradientConfig, Session
from .ppo import PPOTrainer, arguments, make_trainer
from .reward_adapter import RewardAdapter
from .training_state import TuningState


class _ValueModel(nn.Module):
    """A second network of the writer's shape with one output a token, as TRL asks for."""

    base_model_prefix = "trunk"

    def __init__(self, model: CausalLM) -> None:
        super().__init__()
        self.trunk = copy.deepcopy(model.base_model)
        self.score = nn.Linear(model.config.hidden_size, 1, bias=False)


@dataclass(frozen=True)
class StockPpo(OnPolicy):
    """Of its settings it takes updates, batch, the penalty for no end and the learning rate, as TRL's own of 3e-6 would
    move a writer this small not at all. Everything else is TRL's default: four passes over a batch in one piece, KL
    coefficient 0.05, lambda 0.95, a value model.
    """

    config: PolicyGradientConfig
    label: ClassVar[str] = "TRL PPOTrainer"

    def tune(
        self,
        writer: Writer,
        asked: Sequence[tuple[Product, str]],
        reward: RewardFunction,
        *,
        seed: int,
        on_update: OnUpdate = lambda update: None,
        resumed: TuningState | None = None,
    ) -> TuningResult:
        """Tunes the writer in place. It cannot be resumed: TRL saves neither the value model nor what is random."""
        config, session = self.config, Session(writer, self.config, on_update, None)
        session.judge = RewardAdapter(writer, asked, reward, grouped=False)
        rows = [{"input_ids": writer.tokenizer(prompt(*pair))["input_ids"]} for pair in asked]
        rows *= -(-config.batch // len(rows))

        def make(scratch: str) -> PPOTrainer:
            torch.manual_seed(seed)
            return make_trainer(
                session,
                arguments(config, writer, scratch, seed),
                value_model=_ValueModel(writer.model),
                train_dataset=Dataset.from_list(rows),
                eval_dataset=Dataset.from_list(rows[:1]),
                data_collator=DataCollatorWithPadding(writer.tokenizer),
            )

        return session.run(make)
