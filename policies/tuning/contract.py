"""The contract of all ways of tuning the writer. Who runs one, or reports on it, need not know which it is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from ...simulation.data.catalog import Product
from ..reward.scored_texts import ScoredTexts
from ..writer.writer import Writer
from .training_state import TuningState


@dataclass(frozen=True)
class Update:
    """One step of a way of tuning, after which the writer may be looked at."""

    step: int
    metrics: dict[str, float]
    """What is known for nothing: `loss`; or `reward` and its terms (`raw/...`, `weighted/...`), `kl` between the writer
    that sampled and its untuned self in nats a text, its coefficient, and TRL's own (`trl/...`)."""
    snapshot: Callable[[], TuningState] = field(repr=False, compare=False)
    """Takes all that a further update depends on."""

    @property
    def note(self) -> str:
        """For the terminal."""
        shown = {"loss": "loss {:.2f} nats a token", "reward": "reward {:+.2f}", "kl": "KL {:.1f}"}
        note = "  ".join(form.format(self.metrics[name]) for name, form in shown.items() if name in self.metrics)
        # KL is estimated from the texts of the update, a sample a prompt or a few; what it estimates is never below 0.
        return note + (", an estimate within its error of zero" if self.metrics.get("kl", 0.0) < 0 else "")


@dataclass
class TuningResult:
    """What tuning did in one session."""

    updates: list[Update] = field(default_factory=list)
    stopped: str = ""
    """Why it ended before its last update, if it did."""


OnUpdate = Callable[[Update], str | None]
"""Called after every update; the writer may be sampled in it. A text that it returns ends tuning, and says why."""


class Tuner(ABC):
    """A way of tuning the writer, its settings included.

    All of them can be resumed exactly: what is random in an update follows from the seed and the update's number.
    """

    label: ClassVar[str]
    """What reports and the terminal call it."""
    on_policy: ClassVar[bool] = False
    """Whether every update samples from the writer and learns from the whole reward of that, novelty included."""
    best_of: ClassVar[int] = 1
    """Least number of texts to choose among for each that is kept, when tuning is over."""

    @property
    @abstractmethod
    def updates(self) -> int:
        """Updates in all, after each of which the writer may be looked at; 0 where it is left alone."""

    @property
    def at_once(self) -> int:
        """Texts that are learned from at once."""
        return 0

    @property
    def kl_target(self) -> float | None:
        """Nats a text above which KL costs more, if it does."""
        return None

    @abstractmethod
    def steps(self, prompts: int) -> int:
        """Optimizer steps in all, for so many prompts."""

    @abstractmethod
    def described(self) -> str:
        """Its settings, in a few words."""

    @abstractmethod
    def within(self, calls: int, prompts: int) -> Self:
        """The same with other settings, so that it has at most so many texts scored."""

    @abstractmethod
    def tune(
        self,
        writer: Writer,
        asked: Sequence[tuple[Product, str]],
        reward: ScoredTexts,
        *,
        seed: int,
        on_update: OnUpdate = lambda update: None,
        resumed: TuningState | None = None,
    ) -> TuningResult:
        """Tunes the writer in place.

        Args:
            writer: its model is trained.
            asked: products and audiences that are written for.
            reward: the only judge; it holds all that was scored so far.
            seed: of everything random.
            on_update: called after every update.
            resumed: what `Update.snapshot` took in a session that was broken off; the writer is the one that session
                began with, the reward holds what it had scored, and what follows is what would have followed then.
        """
