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
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from accelerate import PartialState
from torch import Tensor, nn

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # PPO is experimental in TRL; the pinned range says so
from trl.experimental.ppo import PPOConfig, PPOTrainer

from ...simulation.data.errors import InputError
from ..writer.prompts import prompt
from .contract import TuningResult
from .policy_gradient import OnPolicy, PolicyGradientConfig, Session
from .prompt_order import Collator, PromptOrder
from .reward_adapter import RewardAdapter
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


class PpoSession(Session):
    """A session whose price of KL is steered by its target."""

    def __init__(self, *given: Any) -> None:
        """Begins at the lowest price, or at that of the session that is resumed."""
        super().__init__(*given)
        start = self.resumed.facts["kl_coefficient"] if self.resumed else self.config.kl_start
        self.control = AdaptiveKL(start, self.config.kl_target, least=self.config.kl_start)

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


@dataclass(frozen=True)
class Ppo(OnPolicy):
    """See the module."""

    config: PpoConfig
    label: ClassVar[str] = "PPO"
    session: ClassVar[type[Session]] = PpoSession

    @property
    def kl_target(self) -> float:
        """As it is set."""
        return self.config.kl_target

    def _train(self, session: PpoSession) -> TuningResult:
        config, writer, asked = self.config, session.writer, session.asked
        session.judge = RewardAdapter(writer, asked, session.reward)
        order = PromptOrder(len(asked), config.batch // config.group, session.seed)
        rows = Collator(writer, [prompt(*pair) for pair in asked], order, config.group, session.done)
        seed = session.seed + 100_003 * PartialState().process_index
        how = replace(writer.sampling, top_p=1.0)
        calls = Calls(how, seed, session.done, config.kl_cap, config.group, bf16=config.bf16)
        ours = {"num_mini_batches": config.mini_batches, "num_ppo_epochs": config.epochs, "kl_coef": config.kl_start}
        ours |= {"local_rollout_forward_batch_size": config.batch, "cliprange": config.clip, "lam": 1.0, "gamma": 1.0}

        def make(scratch: str) -> PPOTrainer:
            trainer = make_trainer(
                session,
                arguments(session, scratch, **ours),
                value_model=_NoCritic(),
                train_dataset=range(config.updates * config.batch),
                eval_dataset=range(1),
                data_collator=rows,
            )
            trainer.args.num_total_batches = config.updates - session.done
            return trainer

        with own_calls(calls):
            return session.run(make)


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


def arguments(session: Session, scratch: str, **ours: Any) -> PPOConfig:
    """What TRL's trainer and ours are told alike, and what ours is told beside."""
    config, writer = session.config, session.writer
    return PPOConfig(
        output_dir=scratch,
        total_episodes=config.updates * config.batch,
        per_device_train_batch_size=config.batch,
        gradient_accumulation_steps=1,
        learning_rate=session.learning_rate,
        response_length=writer.config.max_new_tokens,
        temperature=writer.config.temperature,
        stop_token="eos",
        missing_eos_penalty=config.missing_end,
        num_sample_generations=0,
        seed=session.seed,
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
    least: float
    gain: float = 0.2

    def update(self, kl: float) -> float:
        """max(least, coefficient * (1 + gain * clip(kl / target - 1, -0.5, 0.5)))."""
        error = min(max(kl / self.target - 1, -0.5), 0.5)
        self.coefficient = max(self.least, self.coefficient * (1 + self.gain * error))
        return self.coefficient
