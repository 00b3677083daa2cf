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
from ...simulation.visits import Feedback, Impressions
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
    """Feedback that waits for its time, and what its conversions have counted for so far.

    Rows lie one after the other in columns that are made once and grow by doubling: what would be held in thousands of
    small pieces keeps an allocator from giving anything back that lay between them.
    """

    def __init__(self) -> None:
        """Empty."""
        self._columns: dict[str, Tensor] = {}
        self._first, self._end = 0, 0

    def __len__(self) -> int:
        """Visits that wait."""
        return self._end - self._first

    def put(self, feedback: Feedback, counted: Tensor) -> None:
        """Adds feedback whose conversions have counted for [B, L] so far; a column stays only if all have it."""
        if not len(feedback.slates):
            return
        new = _columns_of(feedback, counted)
        if len(self) and _kinds(new) != _kinds(self._columns):
            new = _columns_of(*_joined([_feedback_of(self._rows(slice(None))), (feedback, counted)]))
            self._first = self._end = 0
            self._columns = {}
        self._make_room(new, n := len(new["counted"]))
        for name, value in new.items():
            self._columns[name][self._end : self._end + n] = value
        self._end += n

    def take(self, until: float) -> Iterator[tuple[Feedback, Tensor]]:
        """All of impressions up to a time, in one piece, if there are any; the rest stays."""
        if not len(self):
            return
        due = self._columns["visit.hours"][self._first : self._end] <= until
        n = int(due.sum())
        if not n:
            return
        if bool(due[:n].all()):
            taken = {name: value.clone() for name, value in self._rows(slice(n)).items()}
            self._first += n
        else:
            taken, left = self._rows(due), self._rows(~due)
            self._first += n
            for name, value in left.items():
                self._columns[name][self._first : self._end] = value
        yield _feedback_of(taken)

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """All that waits, by name, but for whose visits they are; nothing where nothing does."""
        if not len(self):
            return {}
        rows = self._rows(slice(None))
        return {f"{prefix}{name}": value.clone() for name, value in rows.items() if name != "visit.user"}

    @classmethod
    def of(cls, state: dict[str, Tensor], prefix: str) -> "Queue":
        """What `tensors` gave."""
        queue, kinds = cls(), ("visit.", "held.", "counted")
        rows = {
            name.removeprefix(prefix): value
            for name, value in state.items()
            if name.startswith(prefix) and name.removeprefix(prefix).startswith(kinds)
        }
        if rows:
            rows.setdefault("counted", torch.zeros_like(rows["held.delay_hours"]))
            rows["visit.user"] = torch.full_like(rows["visit.channel"], NOBODY)
            queue.put(*_feedback_of(rows))
        return queue

    def _rows(self, which: slice | Tensor) -> dict[str, Tensor]:
        return {name: value[self._first : self._end][which] for name, value in self._columns.items()}

    def _make_room(self, like: dict[str, Tensor], n: int) -> None:
        """For n more rows: rows move to the front where half of the columns is free, else columns grow."""
        size, live = len(self._columns["counted"]) if self._columns else 0, len(self)
        if self._end + n <= size and _kinds(like) == _kinds(self._columns):
            return
        rows = self._rows(slice(None))
        if 2 * (live + n) > size or not live:
            size = max(size, 2 * (live + n))
            self._columns = {name: value.new_empty((size, *value.shape[1:])) for name, value in like.items()}
        for name, value in rows.items() if live else ():
            self._columns[name][:live] = value
        self._first, self._end = 0, live


def _columns_of(feedback: Feedback, counted: Tensor) -> dict[str, Tensor]:
    """By name, without what is not known."""
    visits = {f"visit.{name}": value for name, value in vars(feedback.impressions).items() if value is not None}
    held = {f"held.{name}": value for name, value in vars(feedback).items() if isinstance(value, Tensor)}
    return visits | held | {"counted": counted}


def _feedback_of(columns: dict[str, Tensor]) -> tuple[Feedback, Tensor]:
    """What `_columns_of` took apart."""
    visits, held = (
        {name.removeprefix(kind): value for name, value in columns.items() if name.startswith(kind)}
        for kind in ("visit.", "held.")
    )
    return Feedback(Impressions(**visits), **held), columns["counted"]


def _kinds(columns: dict[str, Tensor]) -> dict[str, tuple[torch.dtype, torch.Size, torch.device]]:
    return {name: (value.dtype, value.shape[1:], value.device) for name, value in columns.items()}


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
