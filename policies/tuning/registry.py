"""All ways of tuning the writer, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self, TypeAlias

from .contract import Tuner, TuningResult
from .ppo import Ppo, PpoConfig
from .raft import Raft, RaftConfig
from .rloo_grpo import Grpo, GrpoConfig, Rloo, RlooConfig

Algorithm: TypeAlias = Literal["raft", "ppo", "rloo", "grpo", "best-of-n", "supervised"]


class TunerSettings(Protocol):
    """Settings of those that have some."""

    @property
    def raft(self) -> RaftConfig:
        """RAFT."""
        ...

    @property
    def ppo(self) -> PpoConfig:
        """PPO."""
        ...

    @property
    def rloo(self) -> RlooConfig:
        """RLOO."""
        ...

    @property
    def grpo(self) -> GrpoConfig:
        """GRPO."""
        ...


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


TUNERS: dict[Algorithm, Callable[[TunerSettings], Tuner]] = {
    "raft": lambda settings: Raft(settings.raft),
    "ppo": lambda settings: Ppo(settings.ppo),
    "rloo": lambda settings: Rloo(settings.rloo),
    "grpo": lambda settings: Grpo(settings.grpo),
    "best-of-n": lambda _: BestOfN(),
    "supervised": lambda _: Supervised(),
}
