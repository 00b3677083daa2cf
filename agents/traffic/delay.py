"""Conversions that come late: feedback is held for a while, or corrected later, for what is not seen yet.

With waiting time w and delay distribution F, a conversion is seen in time with probability F(w), so that conversions
seen divided by F(w) are unbiased (waiting: Joulani, Gyorgy and Szepesvari, ICML 2013; weight: Vernade, Cappe and
Perchet, "Stochastic bandit models for delayed conversions", UAI 2017). Delays are exponential; their rate is learned,
as in Chapelle, "Modeling delayed feedback in display advertising", KDD 2014.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from ...simulation.data.errors import InputError
from ...simulation.visitors.traffic import Impressions
from ...simulation.world import Feedback
from ..agent import Decision, PlacementAgent
from .wrapper import Wrapper

Mode: TypeAlias = Literal["credited", "waited", "ignored"]

LAST = 4
"""Waiting times after which a click is credited for the last time."""
NOBODY = -1
"""Whose visit a saved one is: learning from it takes no user."""
ENOUGH = 20
"""Delays seen before their rate is learned from them."""


def truncated_rate(mean: float, wait: float) -> float:
    """Maximum likelihood of an exponential's rate from delays that were seen only if at most `wait`, by their mean.

    The likelihood of a delay seen is truncated, a e^-at / (1 - e^-aw). Its mean score, 1 / a - mean - w / (e^aw - 1),
    falls in a, so bisection finds the root. Delays that look uniform or worse (mean >= w / 2) have none: the least.

    Args:
        mean: of the delays seen, hours.
        wait: w, hours.
    """
    low, high = 1e-6 / wait, 1e3 / wait
    for _ in range(80):
        middle = (low * high) ** 0.5
        score = 1 / middle - mean - wait / math.expm1(min(middle * wait, 700))
        low, high = (middle, high) if score > 0 else (low, middle)
    return low


class Delayed(Wrapper):
    """An agent that learns of conversions when they happen, not when they are drawn.

    Credited: a click is learned at once and counts for as many conversions as clicks bring on average; after `wait`
    hours for those seen by then, and once more after `LAST` times `wait`, each time divided by the share that is seen.
    An agent that cannot correct what it learned (`PlacementAgent.credits`) waits instead.
    Of what was learned already only visits with a click are held, as no other can be corrected.
    Waited: feedback is held until `wait` hours after the impression; conversions seen by then count as `weight` each.
    Ignored: feedback is handed on at once, and a conversion that has not happened yet is taken for none.
    The clock is the latest impression that was decided.
    """

    kind = "delayed"

    def __init__(self, agent: PlacementAgent, wait: float, mean_delay: float, mode: Mode = "credited") -> None:
        """Puts an agent behind time.

        Args:
            agent: learns.
            wait: hours that feedback is held.
            mean_delay: hours from click to conversion, a first guess.
            mode: credited, waited, or ignored.

        Raises:
            InputError: a time that is not positive.
        """
        if not (wait > 0 and mean_delay > 0):
            raise InputError(f"delay: wait {wait} hours, mean {mean_delay} hours; give times above 0")
        super().__init__(agent)
        self.wait, self.mean_delay = wait, mean_delay
        self.mode: Mode = "waited" if mode == "credited" and not agent.credits else mode
        self.now = 0.0
        """Hours; the latest impression."""
        self.fresh, self.old = Queue(), Queue()
        """What is younger than `wait`, and what was credited once and will be once more."""
        self.seen, self.total, self.clicks = 0, 0.0, 0
        """Conversions seen in time, the hours that they took together, and the clicks that were given the time."""

    @property
    def rate(self) -> float:
        """Of the exponential delay, an hour; the first guess until `ENOUGH` delays were seen."""
        return 1 / self.mean_delay if self.seen < ENOUGH else truncated_rate(self.total / self.seen, self.wait)

    @property
    def weight(self) -> float:
        """What a conversion seen in time stands for, 1 / F(wait)."""
        return self._weight(self.wait)

    def act(self, impressions: Impressions, candidates: Tensor, opened: Tensor | None = None) -> Decision:
        """See `PlacementAgent.act`; first learns from what is due."""
        self.now = max(self.now, float(impressions.hours.max()))
        self.release()
        return super().act(impressions, candidates, opened)

    def update(self, feedback: Feedback) -> None:
        """Takes feedback in, with conversions of any delay; which of them are seen depends on the time."""
        if self.mode == "ignored":
            age = (self.now - feedback.impressions.hours)[:, None]
            self.agent.update(_told(feedback, (feedback.delay_hours <= age) * 1.0))
            return
        usual = feedback.clicked.nan_to_num() * (self.weight * self.seen / max(self.clicks, 1))
        if self.mode == "credited":
            unknown = feedback.converted.isnan() & feedback.converted.is_floating_point()
            self.agent.update(dataclasses.replace(feedback, converted=torch.where(unknown, torch.nan, usual)))
            held = ((feedback.clicked.nan_to_num() != 0) | (feedback.converted == 1)).any(1)
            self.fresh.put(feedback[held], usual[held])
        else:
            self.fresh.put(self.agent.admit(feedback), usual)

    def release(self) -> None:
        """Lets the agent learn of what is due by now."""
        for feedback, counted in self.fresh.take(self.now - self.wait):
            in_time = (feedback.converted == 1) & (feedback.delay_hours <= self.wait)
            self.seen += int(in_time.sum())
            self.total += float(feedback.delay_hours[in_time].double().sum())
            self.clicks += int((feedback.clicked == 1).sum())
            if self.mode == "waited":
                self.agent.update(_told(feedback, in_time * self.weight))
            else:
                self._credit(feedback, counted, in_time * self.weight)
                self.old.put(feedback, in_time * self.weight)
        last = LAST * self.wait
        for feedback, counted in self.old.take(self.now - last):
            in_time = (feedback.converted == 1) & (feedback.delay_hours <= last)
            self._credit(feedback, counted, in_time * self._weight(last))

    def _credit(self, feedback: Feedback, counted: Tensor, counts: Tensor) -> None:
        """Has conversions count for something else than before; what is not known at all was not learned from."""
        known = ~(feedback.clicked.isnan() | feedback.converted.isnan()).any(1)
        self.agent.credit(feedback[known], (counts - counted)[known])

    def _weight(self, hours: float) -> float:
        """What a conversion stands for that is seen within so many hours."""
        return 1 / -math.expm1(-self.rate * hours)

    def figures(self) -> dict[str, float]:
        """The mean delay that was learned, and what a conversion counts that is seen in time."""
        if self.mode == "ignored":
            return {}
        return {"delay_hours": 1 / self.rate, "conversion_weight": self.weight}

    def own_state(self) -> dict[str, Tensor]:
        """The clock, what was learned of delays, and the feedback that is held."""
        numbers = torch.tensor([self.now, self.seen, self.total, self.clicks], dtype=torch.float64)
        return {"numbers": numbers} | self.fresh.tensors("") | self.old.tensors("old.")

    def load_own_state(self, state: dict[str, Tensor]) -> None:
        """Takes over what `own_state` gave."""
        now, seen, total, *clicks = state["numbers"].tolist()
        self.now, self.seen, self.total, self.clicks = now, int(seen), total, int(sum(clicks))
        self.fresh, self.old = Queue.of(state, ""), Queue.of(state, "old.")

    def settings(self) -> dict[str, Any]:
        """See `Wrapper.settings`."""
        return {"wait": self.wait, "mean_delay": self.mean_delay, "mode": self.mode}

    @classmethod
    def restore(cls, agent: PlacementAgent, settings: dict[str, Any]) -> "Delayed":
        """See `Wrapper.restore`."""
        mode: Mode = "waited" if settings["mode"] == "handled" else settings["mode"]
        return cls(agent, settings["wait"], settings["mean_delay"], mode)


class Queue:
    """Feedback that waits for its time, and what its conversions have counted for so far."""

    def __init__(self) -> None:
        """Empty."""
        self.parts: list[tuple[Feedback, Tensor]] = []
        self._spans: list[tuple[float, float]] = []
        """Hours of the earliest and the latest visit of each part: what is not due costs a comparison."""

    def put(self, feedback: Feedback, counted: Tensor) -> None:
        """Adds feedback whose conversions have counted for [B, L] so far."""
        if len(feedback.slates):
            hours = feedback.impressions.hours
            self.parts.append((feedback, counted))
            self._spans.append((float(hours.min()), float(hours.max())))

    def take(self, until: float) -> Iterator[tuple[Feedback, Tensor]]:
        """All of impressions up to a time, in one piece, if there are any; the rest stays."""
        due, still = [], Queue()
        for (feedback, counted), span in zip(self.parts, self._spans, strict=True):
            if span[0] > until:
                still.parts.append((feedback, counted))
                still._spans.append(span)
            elif span[1] <= until:
                due.append((feedback, counted))
            else:
                rows = feedback.impressions.hours <= until
                due.append((feedback[rows], counted[rows]))
                still.put(feedback[~rows], counted[~rows])
        self.parts, self._spans = still.parts, still._spans
        if due:
            yield _joined(due)

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """All that waits, by name, but for whose visits they are; nothing where nothing does."""
        if not self.parts:
            return {}
        whole, counted = _joined(self.parts)
        kept = {name: value for name, value in vars(whole.impressions).items() if name != "user"}
        visits = {f"{prefix}visit.{name}": value for name, value in kept.items()}
        rest = {f"{prefix}held.{name}": value for name, value in vars(whole).items() if isinstance(value, Tensor)}
        known = {name: value for name, value in (visits | rest).items() if value is not None}
        return known | {f"{prefix}counted": counted}

    @classmethod
    def of(cls, state: dict[str, Tensor], prefix: str) -> "Queue":
        """What `tensors` gave."""
        queue = cls()
        visits, rest = (
            {name.removeprefix(kind): value for name, value in state.items() if name.startswith(kind)}
            for kind in (f"{prefix}visit.", f"{prefix}held.")
        )
        if rest:
            visits["user"] = torch.full_like(visits["channel"], NOBODY)
            held = Feedback(Impressions(**visits), **rest)
            queue.put(held, state.get(f"{prefix}counted", torch.zeros_like(held.delay_hours)))
        return queue


def _joined(parts: list[tuple[Feedback, Tensor]]) -> tuple[Feedback, Tensor]:
    return concatenate([feedback for feedback, _ in parts]), torch.cat([counted for _, counted in parts])


def _told(feedback: Feedback, seen: Tensor) -> Feedback:
    """Feedback in which conversions count for [B, L] each where there are any; what is not known (NaN) stays so."""
    counts = torch.where(feedback.converted == 1, seen, 0.0)
    delay = torch.where(counts > 0, feedback.delay_hours, torch.inf)
    if feedback.converted.is_floating_point():
        counts = torch.where(feedback.converted.isnan(), torch.nan, counts)
    return dataclasses.replace(feedback, converted=counts, delay_hours=delay)


def concatenate(parts: list[Feedback]) -> Feedback:
    """One feedback of several; an optional column stays only if all have it."""
    if len(parts) == 1:
        return parts[0]
    visits = _columns(Impressions, [part.impressions for part in parts])
    return Feedback(Impressions(**visits), **_columns(Feedback, parts))


def _columns(kind: type[Impressions] | type[Feedback], parts: list[Any]) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(kind) if field.name != "impressions"]
    values = {name: [getattr(part, name) for part in parts] for name in names}
    return {name: None if any(v is None for v in column) else torch.cat(column) for name, column in values.items()}
