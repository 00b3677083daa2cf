"""What all ways of tuning the writer share: their settings, what they report, and how they leave the process."""

import contextlib
import gc
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from ...simulation.data.errors import InputError
from .state import TuningState


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
