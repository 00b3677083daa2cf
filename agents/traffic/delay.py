"""Conversions that come late: feedback is held for a while, and what is still missing then is corrected for.

With waiting time w and delay distribution F, a conversion is seen in time with probability F(w), so that conversions
seen divided by F(w) are unbiased (waiting: Joulani, Gyorgy and Szepesvari, ICML 2013; weight: Vernade, Cappe and
Perchet, "Stochastic bandit models for delayed conversions", UAI 2017). Delays are exponential; their rate is learned,
as in Chapelle, "Modeling delayed feedback in display advertising", KDD 2014.
"""

import dataclasses
import math
from typing import Any, Literal

import torch
from torch import Tensor

from ...simulation.data.errors import InputError
from ...simulation.visitors.traffic import Impressions
from ...simulation.world import Feedback
from ..agent import Decision, PlacementAgent
from .wrapper import Wrapper

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

    Handled: feedback is held until `wait` hours after the impression; conversions seen by then count as `weight` each.
    Ignored: feedback is handed on at once, and a conversion that has not happened yet is taken for none.
    The clock is the latest impression that was decided. What is held counts as nothing until it is released.
    """

    kind = "delayed"

    def __init__(
        self, agent: PlacementAgent, wait: float, mean_delay: float, mode: Literal["handled", "ignored"] = "handled"
    ) -> None:
        """Puts an agent behind time.

        Args:
            agent: learns.
            wait: hours that feedback is held.
            mean_delay: hours from click to conversion, a first guess.
            mode: handled, or ignored.

        Raises:
            InputError: a time that is not positive.
        """
        if not (wait > 0 and mean_delay > 0):
            raise InputError(f"delay: wait {wait} hours, mean {mean_delay} hours; give times above 0")
        super().__init__(agent)
        self.wait, self.mode, self.mean_delay = wait, mode, mean_delay
        self.now = 0.0
        """Hours; the latest impression."""
        self.held: list[Feedback] = []
        self.seen, self.total = 0, 0.0
        """Conversions seen in time, and the hours that they took together."""

    @property
    def rate(self) -> float:
        """Of the exponential delay, an hour; the first guess until `ENOUGH` delays were seen."""
        return 1 / self.mean_delay if self.seen < ENOUGH else truncated_rate(self.total / self.seen, self.wait)

    @property
    def weight(self) -> float:
        """What a conversion seen in time stands for, 1 / F(wait)."""
        return 1 / -math.expm1(-self.rate * self.wait)

    def act(self, impressions: Impressions, candidates: Tensor, opened: Tensor | None = None) -> Decision:
        """See `PlacementAgent.act`; first learns from what is due."""
        self.now = max(self.now, float(impressions.hours.max()))
        self.release()
        return super().act(impressions, candidates, opened)

    def update(self, feedback: Feedback) -> None:
        """Takes feedback in, with conversions of any delay; which of them are seen depends on the time."""
        if self.mode == "handled":
            self.held.append(feedback)
            return
        age = (self.now - feedback.impressions.hours)[:, None]
        happened = (feedback.converted == 1) & (feedback.delay_hours <= age)
        self.agent.update(_told(feedback, happened, 1.0))

    def release(self) -> None:
        """Lets the agent learn from feedback to impressions at least `wait` hours old; later conversions are unseen."""
        ready, still = [], []
        for feedback in self.held:
            due = feedback.impressions.hours <= self.now - self.wait
            if bool(due.any()):
                ready.append(feedback[due])
            if not bool(due.all()):
                still.append(feedback[~due])
        self.held = still
        for feedback in [concatenate(ready)] if ready else []:
            happened = (feedback.converted == 1) & (feedback.delay_hours <= self.wait)
            self.seen += int(happened.sum())
            self.total += float(feedback.delay_hours[happened].double().sum())
            self.agent.update(_told(feedback, happened, self.weight))

    def figures(self) -> dict[str, float]:
        """The mean delay that was learned, and what a conversion counted at the end, where delays are handled."""
        if self.mode == "ignored":
            return {}
        return {"delay_hours": 1 / self.rate, "conversion_weight": self.weight}

    def own_state(self) -> dict[str, Tensor]:
        """The clock, what was learned of delays, and the feedback that is held."""
        numbers = torch.tensor([self.now, float(self.seen), self.total], dtype=torch.float64)
        if not self.held:
            return {"numbers": numbers}
        whole = concatenate(self.held)
        visits = {f"visit.{name}": value for name, value in vars(whole.impressions).items() if value is not None}
        rest = {f"held.{name}": value for name, value in vars(whole).items() if isinstance(value, Tensor)}
        return {"numbers": numbers} | visits | rest

    def load_own_state(self, state: dict[str, Tensor]) -> None:
        """Takes over what `own_state` gave."""
        now, seen, total = state["numbers"].tolist()
        self.now, self.seen, self.total = now, int(seen), total
        parts = {
            kind: {name.removeprefix(kind): value for name, value in state.items() if name.startswith(kind)}
            for kind in ("visit.", "held.")
        }
        whole = parts["held."]
        self.held = [Feedback(Impressions(**parts["visit."]), **whole)] if whole else []

    def settings(self) -> dict[str, Any]:
        """See `Wrapper.settings`."""
        return {"wait": self.wait, "mean_delay": self.mean_delay, "mode": self.mode}

    @classmethod
    def restore(cls, agent: PlacementAgent, settings: dict[str, Any]) -> "Delayed":
        """See `Wrapper.restore`."""
        return cls(agent, settings["wait"], settings["mean_delay"], settings["mode"])


def _told(feedback: Feedback, happened: Tensor, weight: float) -> Feedback:
    """Feedback in which [B, L] conversions happened and count `weight` each; what is not known (NaN) stays so."""
    delay = torch.where(happened, feedback.delay_hours, torch.inf)
    converted = happened if weight == 1 else happened * weight
    if feedback.converted.is_floating_point():
        converted = torch.where(feedback.converted.isnan(), torch.nan, converted.float())
    return dataclasses.replace(feedback, converted=converted, delay_hours=delay)


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
