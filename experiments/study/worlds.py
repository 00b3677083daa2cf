"""Which world: its scenario, its users, and the segments that they are divided into."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ...simulation.data.errors import InputError
from ...simulation.visitors.segments import Method, Number
from ...simulation.world_file import is_world_file, scenario_of
from ..harness.options import Common, Idle, refuse_below


@dataclass(frozen=True)
class WorldOptions:
    """The world that is served."""

    scenario: Common[str] = "shop"
    """A built-in world, the path of one's own YAML file, or the run directory of `copybandit calibrate`."""
    users: Common[int] = 1000
    """Simulated users."""

    def __post_init__(self) -> None:
        refuse_below(self, users=1)
        object.__setattr__(self, "scenario", ",".join(_in_run(name.strip()) for name in self.scenario.split(",")))

    @property
    def scenarios(self) -> list[str]:
        """The scenarios, where several are separated by commas."""
        return list(dict.fromkeys(name.strip() for name in self.scenario.split(",") if name.strip()))

    @property
    def built_in(self) -> bool:
        """Whether it is no file of one's own."""
        return not Path(self.scenario).suffix

    @property
    def brings_queries(self) -> bool:
        """Whether visitors of one of the scenarios bring a query.

        Raises:
            InputError: a scenario is no good.
        """
        return any(_has_queries(name) for name in self.scenarios)

    def idle(self) -> Idle:
        """A fitted world has users of its own."""
        fitted = all(is_world_file(name) for name in self.scenarios)
        return {"users": f"with --scenario {self.scenario}, which has users of its own"} if fitted else {}


def _in_run(name: str) -> str:
    """The world file of a run directory of `calibrate`; any other name as it is."""
    file = Path(name) / "world.safetensors"
    return str(file) if name and file.is_file() else name


@lru_cache
def _has_queries(scenario: str) -> bool:
    return bool(scenario_of(scenario)[1].queries)


@dataclass(frozen=True)
class SegmentOptions:
    """Segments of users."""

    segments: Number = 0
    """Segments to find in what users do, instead of those that the scenario declares or the log names: how many, or
    auto. A log that names none is divided even at 0, as auto does."""
    segments_by: Method = "kmeans"
    """How segments are found: kmeans, or a mixture of Gaussians."""

    def __post_init__(self) -> None:
        if self.segments != "auto" and self.segments not in (0, *range(2, 51)):
            raise InputError(f"--segments {self.segments}: give 2 to 50, auto, or 0 for those that are declared")
