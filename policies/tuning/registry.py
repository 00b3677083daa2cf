"""All ways of tuning the writer, by name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, TypeAlias

from .contract import Tuner, TuningResult
from .ppo import Ppo, PpoConfig
from .raft import Raft, RaftConfig
from .rloo_grpo import Grpo, GrpoConfig, Rloo, RlooConfig

Algorithm: TypeAlias = Literal["raft", "ppo", "rloo", "grpo", "best-of-n", "supervised"]


@dataclass(frozen=True)
class TunerSettings:
    """Settings of the ways that have some, each under its name."""

    raft: RaftConfig = field(default_factory=RaftConfig)
    ppo: PpoConfig = field(default_factory=PpoConfig)
    rloo: RlooConfig = field(default_factory=RlooConfig)
    grpo: GrpoConfig = field(default_factory=GrpoConfig)

    def tuner(self, algorithm: Algorithm) -> Tuner:
        """A way of tuning with its settings."""
        kind = TUNERS[algorithm]
        return kind(getattr(self, algorithm)) if hasattr(self, algorithm) else kind()


@dataclass(frozen=True)
class Supervised(Tuner):
    """Leaves the writer as the warm start made it."""

    label: ClassVar[str] = "no tuning"

    @property
    def updates(self) -> int:
        """None."""
        return 0

    def steps(self, prompts: int) -> int:
        """None."""
        return 0

    def described(self) -> str:
        """No settings."""
        return "none"

    def within(self, calls: int, prompts: int) -> Self:
        """It needs none."""
        return self

    def tune(self, *_: Any, **__: Any) -> TuningResult:
        """Nothing happens."""
        return TuningResult()


class BestOfN(Supervised):
    """Spends on the choice what others spend on tuning."""

    best_of: ClassVar[int] = 16


TUNERS: dict[Algorithm, Callable[..., Tuner]] = {
    "raft": Raft,
    "ppo": Ppo,
    "rloo": Rloo,
    "grpo": Grpo,
    "best-of-n": BestOfN,
    "supervised": Supervised,
}
