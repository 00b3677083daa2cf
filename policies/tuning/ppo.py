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
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from accelerate import PartialState
from torch import Tensor, nn

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # PPO is experimental in TRL; the pinned range says so
from trl.experimental.ppo import PPOConfig, PPOTrainer

from ...simulation.data.catalog import Product
from ...simulation.data.errors import InputError
from ..reward.reward import RewardFunction
from ..writer.writer import Writer, prompt
from .contract import OnUpdate, TuningResult
from .policy_gradient import OnPolicy, PolicyGradientConfig, Session
from .prompt_order import Collator, PromptOrder
from .reward_adapter import RewardAdapter
from .training_state import TuningState
from .trl_calls import Calls, own_calls


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


@dataclass(frozen=True)
class PpoConfig(PolicyGradientConfig):
    """How the writer is tuned by PPO."""

    kl_target: float = 8.0
    """Nats a text above which the coefficient grows (after Ziegler et al., arXiv 1909.08593)."""
    kl_cap: float = 25.0
    """Nats a text above which an update is not learned from any more, and tuning stops."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kl_target <= 0:
            raise InputError(f"kl_target {self.kl_target}: must be above zero, or nothing holds the writer back")
        if self.kl_cap <= self.kl_target:
            raise InputError(f"kl_cap {self.kl_cap}: must be above kl_target {self.kl_target}, which it backs up")


@dataclass(frozen=True)
class Ppo(OnPolicy):
    """See the module."""

    config: PpoConfig
    label: ClassVar[str] = "PPO"

    @property
    def kl_target(self) -> float:
        """As it is set."""
        return self.config.kl_target

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
        """Tunes the writer in place; see the contract."""
        config, session = self.config, PpoSession(writer, self.config, on_update, resumed)
        session.judge = RewardAdapter(writer, asked, reward)
        order = PromptOrder(len(asked), config.batch // config.group, seed)
        rows = Collator(writer, [prompt(*pair) for pair in asked], order, config.group, session.done)
        calls = Calls(
            replace(writer.sampling, top_p=1.0),
            seed + 100_003 * PartialState().process_index,
            session.done,
            config.kl_cap,
            bf16=config.bf16,
        )

        def make(scratch: str) -> PPOTrainer:
            trainer = make_trainer(
                session,
                arguments(
                    config,
                    writer,
                    scratch,
                    seed,
                    num_mini_batches=config.mini_batches,
                    num_ppo_epochs=config.epochs,
                    local_rollout_forward_batch_size=config.batch,
                    kl_coef=config.kl_start,
                    cliprange=config.clip,
                    lam=1.0,
                    gamma=1.0,
                ),
                value_model=_NoCritic(),
                train_dataset=range(config.updates * config.batch),
                eval_dataset=range(1),
                data_collator=rows,
            )
            trainer.args.num_total_batches = config.updates - session.done
            return trainer

        with own_calls(calls):
            return session.run(make)


class PpoSession(Session):
    """A session whose price of KL is steered by its target."""

    def __init__(self, writer: Writer, config: PpoConfig, on_update: OnUpdate, resumed: TuningState | None) -> None:
        """Begins at the lowest price, or at that of the session that is resumed."""
        super().__init__(writer, config, on_update, resumed)
        self.control = AdaptiveKL(config.kl_start, config.kl_target)
        if resumed is not None:
            self.control.coefficient = resumed.facts["kl_coefficient"]

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Goes on from where an earlier session stopped."""
        super().on_train_begin(args, state, control)
        state.episode, args.kl_coef = self.done * args.batch_size, self.control.coefficient

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Keeps the update, and sets the price of KL for the next."""
        super().on_log(args, state, control, logs)
        if logs and "objective/kl" in logs:
            args.kl_coef = self.control.update(logs["objective/kl"])

    def facts(self) -> dict[str, float]:
        """The price of KL."""
        return {"kl_coefficient": self.control.coefficient}


def make_trainer(session: Session, arguments: PPOConfig, **parts: Any) -> PPOTrainer:
    """TRL's trainer of a session's writer, held by a copy of it."""
    writer = session.writer
    return PPOTrainer(
        args=arguments,
        processing_class=writer.tokenizer,
        model=writer.model,
        # Of a model with an adapter the reference is the model without it.
        ref_model=None if hasattr(writer.model, "peft_config") else copy.deepcopy(writer.model).requires_grad_(False),
        # TRL's annotations ask for more than it uses: any module with `base_model_prefix` and `score` does, and of the
        # data sets their length; nothing is evaluated.
        reward_model=session.judge,
        **parts,
    )


def arguments(config: PolicyGradientConfig, writer: Writer, scratch: str, seed: int, **ours: Any) -> PPOConfig:
    """What TRL's trainer and ours are told alike, and what ours is told beside."""
    return PPOConfig(
        output_dir=scratch,
        total_episodes=config.updates * config.batch,
        per_device_train_batch_size=config.batch,
        gradient_accumulation_steps=1,
        learning_rate=config.learning_rate,
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
        **ours,
    )


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
