"""Options of placing: who places what before how many, and in how many rounds; and all of `copybandit loop`."""

from dataclasses import dataclass, field

from ...agents.registry import AGENTS, DEEP, RETRIEVED
from ...agents.traffic.options import TrafficOptions
from ...simulation.data.errors import InputError
from ..harness.config import nearest
from ..harness.options import Common, Flat, Idle, refuse_below
from ..serving.serve import BATCH
from ..writing.options import TuneOptions


@dataclass(frozen=True)
class PlacingOptions:
    """What is placed, before how many, by whom."""

    agent: Common[str] = "lints"
    """The bandit that places creatives, compared with uniform placement."""
    place_impressions: Common[int] = 120_000
    """Visits of each placement run."""
    place_products: Common[int] = 16
    """Products whose creatives compete for the slots; one creative a product and audience."""
    retrieved: int = RETRIEVED
    """Where visitors bring queries: creatives, those that answer best, that the bandit chooses among."""
    expected_trials: float = 0.0
    """What the effect model predicts of a text counts to the bandit as so many trials of it before it is shown; with 0
    bandits begin knowing nothing."""
    wording_products: int = 24
    """Products for which the tuned writer is asked once more, with the audience exchanged, to see in which words texts
    differ; 0: that is not looked at."""
    cold_start: int = 0
    """Repetitions of an experiment: how soon a bandit that knows the untuned texts finds the best of the tuned ones,
    with and without `expected-trials`."""

    def __post_init__(self) -> None:
        if self.agent not in AGENTS:
            near, known = nearest(self.agent, AGENTS), ", ".join(AGENTS)
            raise InputError(f"--agent {self.agent}: no such agent{near}; known are {known}")
        refuse_below(self, place_impressions=BATCH, place_products=1, retrieved=1, expected_trials=0, cold_start=0)
        refuse_below(self, wording_products=0)
        if self.cold_start and not self.expected_trials:
            raise InputError(f"--cold-start {self.cold_start}: say what predictions count for with --expected-trials")
        if self.expected_trials and self.agent in DEEP:
            raise InputError(f"--expected-trials: {self.agent} cannot be told what to expect; choose a bandit")


@dataclass(frozen=True)
class RoundsOptions:
    """Closing the loop several times."""

    rounds: Common[int] = 1
    """Above 1: log, learn, tune and place so many times, while the world's tastes move; beside it, the texts of the
    first round go on being shown."""
    round_hours: float = 400.0
    """Hours of each round in which what is learned from is logged; after them comes the placement."""

    def __post_init__(self) -> None:
        if self.rounds < 1 or not self.round_hours > 0:
            raise InputError(f"--rounds {self.rounds}, --round-hours {self.round_hours}: give 1 or more, and above 0")

    def idle(self) -> Idle:
        """One round has no hours of its own."""
        return {} if self.rounds > 1 else {"round-hours": "without --rounds"}


@dataclass(frozen=True)
class LoopOptions(TuneOptions):
    """Options of `copybandit loop`."""

    placing: Flat[PlacingOptions] = field(default_factory=PlacingOptions)
    traffic: Flat[TrafficOptions] = field(default_factory=TrafficOptions)
    rounds: Flat[RoundsOptions] = field(default_factory=RoundsOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounds.rounds > 1 and (self.data.archive or self.data.logs or self.resume.resume):
            raise InputError(
                f"--rounds {self.rounds.rounds}: needs a world that goes on, from its start; leave out --archive, "
                "--logs and --resume"
            )
        if self.rounds.rounds > 1 and self.traffic.budget is not None:
            raise InputError(f"--budget {self.traffic.budget}: is for one placement; leave out --rounds")

    def idle(self) -> Idle:
        """What the parts mean for each other."""
        unasked = {} if self.queried else {"retrieved": "where no visitor brings queries"}
        if self.rounds.rounds > 1:
            unasked |= dict.fromkeys(("expected-trials", "cold-start"), "with --rounds, where texts follow others")
            unasked["wording-products"] = "with --rounds, whose texts are of several writers"
        elif self.queried or self.data.archive:
            unasked["wording-products"] = "where texts are not written for audiences"
        if not self.conversion_value:
            unasked["delay"] = "with --conversion-value 0"
        if not self.traffic.min_exposure:
            unasked |= dict.fromkeys(("min-exposure-of", "min-exposure-within"), "without --min-exposure")
        return {**super().idle(), **unasked}
