"""How the writer is tuned: the algorithm, its settings, and how many texts are chosen among afterwards."""

from dataclasses import dataclass, field

from ...policies.tuning.contract import TuneConfig
from ...policies.tuning.raft import RaftConfig
from ...policies.tuning.rivals import BEST_OF, Algorithm
from ...policies.writer.adapters import AdapterConfig
from ...simulation.data.errors import InputError
from ..harness.options import Common, Idle, refuse_below


@dataclass(frozen=True)
class TunerOptions:
    """How the writer is tuned, and chosen from."""

    algorithm: Common[Algorithm] = "raft"
    """raft, ppo, rloo and grpo tune the writer. best-of-n and supervised leave it as the warm start made it; with
    best-of-n the reward picks among 16 texts for each that is kept.
    """
    choose: Common[int] = 8
    """Texts written after any tuning for each that is kept; the reward picks among them and all that it scored while
    tuning. With 1 the writer's texts are taken as they come."""
    raft: RaftConfig = field(default_factory=RaftConfig)
    ppo: TuneConfig = field(default_factory=TuneConfig)
    """Of ppo, rloo and grpo."""
    adapter: AdapterConfig = field(default_factory=AdapterConfig)

    def __post_init__(self) -> None:
        refuse_below(self, choose=1)
        if self.adapter.kind != "none" and self.algorithm != "ppo":
            raise InputError(f"--adapter.kind {self.adapter.kind} goes with --algorithm ppo, not {self.algorithm}")

    @property
    def settings(self) -> RaftConfig | TuneConfig:
        """Settings of the algorithm."""
        return self.raft if self.algorithm == "raft" else self.ppo

    @property
    def written(self) -> int:
        """Texts written after tuning for each that is kept: best-of-n spends what the others spend on tuning."""
        return max(self.choose, BEST_OF) if self.algorithm == "best-of-n" else self.choose

    def idle(self) -> Idle:
        """Settings of other algorithms."""
        why, found = f"with --algorithm {self.algorithm}", {}
        if self.algorithm != "raft":
            found["raft"] = why
        if self.algorithm not in ("ppo", "rloo", "grpo"):
            found["ppo"] = why
        if self.algorithm in ("rloo", "grpo"):
            found |= dict.fromkeys(("ppo.kl-target", "ppo.kl-cap", "save-every"), why)
        if self.algorithm == "raft":
            found |= dict.fromkeys(("watch-every", "save-every"), f"{why}, which looks and saves after each round")
        if self.algorithm in ("best-of-n", "supervised"):
            found |= dict.fromkeys(("watch-every", "patience", "save-every"), f"{why}, which has no updates")
        if self.algorithm == "best-of-n" and self.choose < BEST_OF:
            found["choose"] = f"{why} below {BEST_OF}"
        if self.adapter.kind == "none":
            found |= dict.fromkeys(("adapter.rank", "adapter.alpha"), "without --adapter.kind")
        if self.algorithm != "ppo":
            found["adapter"] = why
        if self.written == 1:
            found["keep-diversity"] = "with --choose 1, which picks nothing"
        return found
