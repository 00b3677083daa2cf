"""Which parts the stages of a study ask of a command's options; `loop`, `tune`, `pareto` and `compare` have them."""

from typing import Protocol

from ...agents.traffic.options import TrafficOptions
from ...policies.effect.model import EffectConfig
from ...policies.reward.reward import RewardConfig
from ...policies.writer.warm_start import WarmStartConfig
from ...policies.writer.writer import WriterConfig
from ..harness.options import ResumeOptions, RunOptions
from ..placing.placement import PlacingOptions
from ..placing.rounds import RoundsOptions
from ..writing.choosing import ChoosingOptions
from ..writing.tuner import TunerOptions
from ..writing.watch import WatchOptions
from .study import DataOptions, FeedbackOptions, WritingOptions
from .worlds import SegmentOptions, WorldOptions


class StudyParts(Protocol):
    """What is written for, by whom, and who answers."""

    @property
    def run(self) -> RunOptions: ...
    @property
    def device(self) -> str: ...
    @property
    def conversion_value(self) -> float: ...
    @property
    def world(self) -> WorldOptions: ...
    @property
    def segmenting(self) -> SegmentOptions: ...
    @property
    def data(self) -> DataOptions: ...
    @property
    def feedback(self) -> FeedbackOptions: ...
    @property
    def writing(self) -> WritingOptions: ...
    @property
    def writer(self) -> WriterConfig: ...
    @property
    def warm_start(self) -> WarmStartConfig: ...
    @property
    def effect(self) -> EffectConfig: ...
    @property
    def reward(self) -> RewardConfig: ...


class ChoosingParts(Protocol):
    """Picking texts."""

    @property
    def run(self) -> RunOptions: ...
    @property
    def writing(self) -> WritingOptions: ...
    @property
    def choosing(self) -> ChoosingOptions: ...


class TuneParts(StudyParts, Protocol):
    """Tuning the writer and watching it."""

    @property
    def choosing(self) -> ChoosingOptions: ...
    @property
    def watch(self) -> WatchOptions: ...
    @property
    def tuner(self) -> TunerOptions: ...
    @property
    def resume(self) -> ResumeOptions: ...


class PlacingParts(Protocol):
    """Placing creatives."""

    @property
    def run(self) -> RunOptions: ...
    @property
    def conversion_value(self) -> float: ...
    @property
    def placing(self) -> PlacingOptions: ...
    @property
    def traffic(self) -> TrafficOptions: ...


class RoundsParts(TuneParts, PlacingParts, Protocol):
    """Rounds of all of it."""

    @property
    def rounds(self) -> RoundsOptions: ...
