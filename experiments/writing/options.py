"""Options of writing: how the writer is tuned, looked at on the way, and chosen from; and all of `copybandit tune`."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from ...policies.base.start import BASE
from ...policies.learning.adapters import AdapterConfig
from ...policies.tuning.contract import Tuner
from ...policies.tuning.registry import Algorithm, TunerSettings
from ...policies.writer.writer import BUILT_IN
from ...simulation.data.errors import InputError
from ..harness.options import Common, Flat, Idle, ResumeOptions, refuse_below
from ..study.options import StudyOptions
from ..study.private import PrivateOptions


@dataclass(frozen=True)
class TunerOptions:
    """How the writer is tuned, and chosen from."""

    algorithm: Common[Algorithm] = "ppo"
    """ppo, rloo, grpo and raft tune the writer. best-of-n and supervised leave it as the warm start made it; with
    best-of-n the reward picks among 16 texts for each that is kept.
    """
    choose: Common[int] = 8
    """Texts written after any tuning for each that is kept; the reward picks among them and all that it scored while
    tuning. With 1 the writer's texts are taken as they come."""
    settings: Flat[TunerSettings] = field(default_factory=TunerSettings)
    adapter: AdapterConfig = field(default_factory=AdapterConfig)

    def __post_init__(self) -> None:
        refuse_below(self, choose=1)

    @property
    def tuner(self) -> Tuner:
        """The way that is asked for."""
        return self.settings.tuner(self.algorithm)

    @property
    def written(self) -> int:
        """Texts written after tuning for each that is kept."""
        return max(self.choose, self.tuner.best_of)

    def idle(self) -> Idle:
        """Settings of other ways, and what this one has no use for."""
        tuner, why = self.tuner, f"with --algorithm {self.algorithm}"
        found = idle_tuners({self.algorithm}, why)
        if not tuner.on_policy:
            unweighed = f"{why}, which keeps diversity by --keep-diversity"
            found |= dict.fromkeys(("reward.w-div", "reward.diversity-clip"), unweighed)
        if not tuner.updates:
            along = ("looks", "patience", "efficiency-prompts", "adapter")
            found |= dict.fromkeys(along, f"{why}, which has no updates")
        if self.choose < tuner.best_of:
            found["choose"] = f"{why} below {tuner.best_of}"
        if self.adapter.kind == "none":
            found |= dict.fromkeys(("adapter.rank", "adapter.alpha"), "with --adapter.kind none")
        if self.written == 1 and (tuner.on_policy or not tuner.updates):
            found["keep-diversity"] = "with --choose 1, which picks nothing"
        return found


@dataclass(frozen=True)
class ChoosingOptions:
    """How texts are picked among more that were written."""

    keep_diversity: Common[float] = 1.0
    """Share of the untuned writer's Vendi score, by the reward's encoder, that what is picked should have, to learn
    from (raft) and in the end: novelty weighs more until it has."""

    def __post_init__(self) -> None:
        if not 0 <= self.keep_diversity <= 2:
            raise InputError(f"--keep-diversity {self.keep_diversity}: give 0 to 2; 1 is the untuned writer's")


@dataclass(frozen=True)
class WatchOptions:
    """Looks at the writer along its tuning."""

    validation_impressions: int = 2_000_000
    """More impressions of the log, for the model that validates the writer. Of your own logs it is a fifth."""
    looks: int = 10
    """Looks at the writer, at even steps: by the validation model, and for the report by the gold. A state is saved at
    each, from which `--resume` goes on."""
    patience: int = 5
    """Looks without a better validation after which tuning ends. The best of all looks is kept in any case."""
    watched_prompts: int = 160
    """Prompts that are answered twice at each look."""
    efficiency_prompts: int = 64
    """Prompts that the untuned writer answers 48 times in the end, for what choosing among its texts would gain."""
    attacked_ads: int = 60
    """Good ads that each attack on the reward is tried on in the end."""

    def __post_init__(self) -> None:
        refuse_below(self, validation_impressions=1000, looks=1, patience=1, watched_prompts=1, efficiency_prompts=1)
        refuse_below(self, attacked_ads=2)


@dataclass(frozen=True)
class TuneOptions(StudyOptions):
    """Options of `copybandit tune`."""

    resume: Flat[ResumeOptions] = field(default_factory=ResumeOptions)
    tuner: Flat[TunerOptions] = field(default_factory=TunerOptions)
    choosing: Flat[ChoosingOptions] = field(default_factory=ChoosingOptions)
    watch: Flat[WatchOptions] = field(default_factory=WatchOptions)
    private: PrivateOptions = field(default_factory=PrivateOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.private.epsilon is not None and self.segmenting.segments:
            raise InputError("--private.epsilon: --segments are found in what users did, which shows; leave them out")
        if self.private.epsilon is not None and self.data.logs is None and self.queried:
            raise InputError(
                f"--private.epsilon: visitors of {self.world.scenario} bring queries, which are not learned from "
                "privately; take another --scenario"
            )

    def idle(self) -> Idle:
        """What the parts mean for each other."""
        found = dict(super().idle())
        if self.data.archive is not None:
            found["attacked-ads"] = "with --archive, for whose stories no attack is made up"
            found["private"] = "with --archive, whose counts name no users"
        elif self.private.epsilon is not None:
            unused = ("effect.steps", "effect.learning-rate", "effect.hold-out")
            found |= dict.fromkeys(unused, "with --private.epsilon, which takes few steps and holds nothing out")
        if self.tuner.adapter.kind == "auto" and self.writing.model in (BASE, BUILT_IN):
            why = f"with --model {self.writing.model}, all of which is tuned, unless --adapter.kind says otherwise"
            found |= dict.fromkeys(("adapter.rank", "adapter.alpha"), why)
        return found


def idle_tuners(used: Iterable[str], why: str) -> dict[str, str]:
    """Settings of all other ways of tuning."""
    return {part.name: why for part in fields(TunerSettings) if part.name not in set(used)}
