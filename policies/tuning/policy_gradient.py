"""What the ways of tuning that are TRL's have in common: settings, and a session of a trainer that can be resumed.

All random numbers of an update come from the seed and the update's number (`seed_all`), so that an update is the same
whatever came before: of a session nothing random has to be saved.
"""

import contextlib
import gc
import logging
import tempfile
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from transformers import PrinterCallback, TrainerCallback

from ...simulation.data.catalog import Product
from ...simulation.data.errors import InputError
from ..learning.adapters import follow_ranks
from ..learning.rates import fitting_rate
from ..reward.reward import RewardFunction, Rewards
from ..writer.writer import Writer
from .contract import OnUpdate, Tuner, TuningResult, Update
from .training_state import TuningState, put_back, take_state


@dataclass(frozen=True)
class PolicyGradientConfig:
    """How the writer learns from the reward of what it samples."""

    updates: int = 20
    """Batches of texts that are sampled and learned from."""
    batch: int = 384
    """Texts an update."""
    group: int = 8
    """Texts for each prompt of a batch."""
    epochs: int = 1
    """Passes over a batch."""
    mini_batches: int = 4
    """Optimizer steps a pass."""
    learning_rate: float | None = None
    """At first; it falls to zero in a straight line. By default 0.0005, for a model of 50 million weights or more
    0.00002, and ten times that where an adapter learns in its place."""
    kl_start: float = 0.15
    """Price of a nat a text between the writer and its untuned self; PPO's never falls below it."""
    clip: float = 0.2
    """How far a token's probability may move in an update, as a share of it, and still be learned from."""
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
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise InputError(f"learning_rate {self.learning_rate}: give a number above 0 and below 1")
        if self.kl_start <= 0:
            raise InputError(f"kl_start {self.kl_start}: must be above zero, or nothing holds the writer back")


@dataclass(frozen=True)
class OnPolicy(Tuner):
    """A way of tuning that samples, has the texts scored, and learns from their rewards, update by update."""

    config: PolicyGradientConfig
    on_policy: ClassVar[bool] = True
    session: ClassVar[type["Session"]]
    """What follows its trainer."""

    @property
    def updates(self) -> int:
        """As they are set."""
        return self.config.updates

    @property
    def at_once(self) -> int:
        """A mini-batch."""
        return self.config.batch // self.config.mini_batches

    def steps(self, prompts: int) -> int:
        """The same for any number of prompts."""
        return self.config.updates * self.config.steps

    def described(self) -> str:
        """Its settings."""
        return f"at most {self.config.updates} updates of {self.config.batch} texts"

    def within(self, calls: int, prompts: int) -> Self:
        """With fewer updates, or more."""
        return replace(self, config=replace(self.config, updates=calls // self.config.batch))

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
        return self._train(self.session(writer, asked, reward, self.config, seed, on_update, resumed))

    @abstractmethod
    def _train(self, session: Any) -> TuningResult:
        """Gives the session a judge, and runs it."""


class Stopped(Exception):
    """Ends a trainer's loop from within; says why."""


class Session(TrainerCallback):
    """Follows a trainer: puts back what an earlier session left, reads every update and tells the caller."""

    def __init__(
        self,
        writer: Writer,
        asked: Sequence[tuple[Product, str]],
        reward: RewardFunction,
        config: Any,
        seed: int,
        on_update: OnUpdate,
        resumed: TuningState | None,
    ) -> None:
        """Begins with the first update, or after those of the session that is resumed."""
        self.writer, self.asked, self.reward, self.config, self.seed = writer, asked, reward, config, seed
        self.on_update, self.resumed = on_update, resumed
        self.done = resumed.step if resumed else 0
        self.result = TuningResult()
        self.judge: Any = None
        """What the trainer calls for rewards; `last` is what they were for the latest batch."""
        self.trainer: Any = None

    @property
    def learning_rate(self) -> float:
        """What was given, or what fits the writer."""
        return fitting_rate(self.config.learning_rate, self.writer, small=5e-4, large=2e-5)

    def run(self, make: Callable[[str], Any]) -> TuningResult:
        """Makes the trainer in a scratch directory, lets it train, and leaves the process as it was."""
        model = self.writer.model
        self.writer.tokenizer.padding_side = "left"
        if self.config.gradient_checkpointing:
            model.gradient_checkpointing_enable()
            model.enable_input_require_grads()
        with tempfile.TemporaryDirectory() as scratch, as_it_was(self.writer.device):
            self.trainer = make(scratch)
            self.trainer.remove_callback(PrinterCallback)
            self.trainer.add_callback(self)
            try:
                self.trainer.train()
            except Stopped as stop:
                self.result.stopped = str(stop)
        model.eval()
        if self.config.gradient_checkpointing:
            model.gradient_checkpointing_disable()
        return self.result

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Goes on from where an earlier session stopped."""
        optimizer = self.trainer.optimizer
        follow_ranks(self.writer.model, getattr(optimizer, "optimizer", optimizer))
        state.global_step = self.done * self.steps_logged
        if self.resumed is not None:
            put_back(self.resumed, self.writer, optimizer, self.trainer.lr_scheduler)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Keeps the update, if that is what is logged."""
        kl = self.kl(logs or {})
        if kl is None or self.judge.last is None:
            return
        rewards: Rewards = self.judge.last
        metrics = rewards.means() | {"kl": kl} | self.facts()
        metrics |= {f"trl/{name}": value for name, value in (logs or {}).items() if name not in VOLATILE}
        step = state.global_step // self.steps_logged
        self.result.updates.append(Update(step, metrics, partial(self.take, step)))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tells of the update, which is complete now."""
        self.tell()

    def tell(self) -> None:
        """Tells the caller of the latest update.

        Raises:
            Stopped: the caller ends it.
        """
        reason = self.on_update(self.result.updates[-1])
        if reason:
            raise Stopped(reason)

    def take(self, step: int) -> TuningState:
        """All that a further update depends on."""
        return take_state(step, self.writer, self.trainer.optimizer, self.trainer.lr_scheduler, **self.facts())

    @property
    def steps_logged(self) -> int:
        """What the trainer counts in an update."""
        return 1

    def kl(self, logs: dict[str, float]) -> float | None:
        """Nats a text from the untuned writer, if this is an update's log."""
        return logs.get("objective/kl")

    def facts(self) -> dict[str, float]:
        """What else an update depends on."""
        return {}


VOLATILE = {"eps", "epoch", "episode", "step_time", "num_tokens", "loss"}
"""What trainers log that depends on the clock or the session, or on nothing."""


def seed_all(seed: int, update: int) -> None:
    """Seeds torch's and numpy's global generators, which TRL draws from, for one update."""
    number = int(np.random.SeedSequence([seed, update]).generate_state(1)[0])
    torch.manual_seed(number)
    np.random.seed(number)  # noqa: NPY002


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
