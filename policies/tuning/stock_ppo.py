"""TRL's PPOTrainer as it comes, to measure ours against: its own sampling, its own value model, its own settings."""

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from datasets import Dataset
from torch import nn
from transformers import DataCollatorWithPadding

from ..writer.prompts import prompt
from ..writer.writer import CausalLM
from .contract import TuningResult
from .policy_gradient import OnPolicy, PolicyGradientConfig, Session
from .ppo import PPOTrainer, arguments, make_trainer
from .reward_adapter import RewardAdapter


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

    session: ClassVar[type[Session]] = Session

    def _train(self, session: Session) -> TuningResult:
        """It cannot be resumed: TRL saves neither the value model nor what is random."""
        writer = session.writer
        session.judge = RewardAdapter(writer, session.asked, session.reward, grouped=False)
        rows = [{"input_ids": ids} for ids in writer.prompt_ids([prompt(*pair) for pair in session.asked])]
        rows *= -(-self.config.batch // len(rows))

        def make(scratch: str) -> PPOTrainer:
            torch.manual_seed(session.seed)
            return make_trainer(
                session,
                arguments(session, scratch),
                value_model=_ValueModel(writer.model),
                train_dataset=Dataset.from_list(rows),
                eval_dataset=Dataset.from_list(rows[:1]),
                data_collator=DataCollatorWithPadding(writer.tokenizer),
            )

        return session.run(make)
