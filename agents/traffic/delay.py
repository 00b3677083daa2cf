"""Conversions that come late: feedback is held for a while, and what is still missing then is corrected for.

With waiting time w and delay distribution F, a conversion is seen in time with probability F(w), so that conversions
seen divided by F(w) are unbiased (waiting: Joulani, Gyorgy and Szepesvari, ICML 2013; weight: Vernade, Cappe and
Perchet, "Stochastic bandit models for delayed conversions", UAI 2017). Delays are exponential; their rate is learned,
as in Chapelle, "Modeling delayed feedback in display advertising", KDD 2014.
"""

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor

from ...simulation.visitors.traffic import Impressions
from ...simulation.world import Feedback


def exponential_rate(delays: Tensor, censored_after: float) -> float:
    """Maximum likelihood of the rate from delays that were seen only if at most `censored_after`, [n] hours.

    The likelihood of a delay seen is truncated, a e^-at / (1 - e^-aw). Its score, n / a - sum t - n w / (e^aw - 1),
    falls in a, so bisection finds the root. Delays that look uniform or worse (mean >= w / 2) have none: the least.
    """
    n, total = len(delays), float(delays.sum())
    low, high = 1e-6 / censored_after, 1e3 / censored_after
    for _ in range(80):
        middle = (low * high) ** 0.5
        score = n / middle - total - n * censored_after / math.expm1(min(middle * censored_after, 700))
        low, high = (middle, high) if score > 0 else (low, middle)
    return low


class DelayedFeedback:
    """Holds feedback for `wait` hours and hands it on with conversions as seen by then, and their weight."""

    def __init__(self, wait: float, mean_delay: float) -> None:
        """Sets times in hours; `mean_delay` is a first guess."""
        self.wait, self.rate = wait, 1 / mean_delay
        self._held: list[Feedback] = []
        self._seen: list[Tensor] = []

    @property
    def weight(self) -> float:
        """What a conversion seen in time stands for, 1 / F(wait)."""
        return 1 / -math.expm1(-self.rate * self.wait)

    def hold(self, feedback: Feedback) -> None:
        """Takes feedback in, with conversions of any delay; which of them are seen depends on the time."""
        self._held.append(feedback)

    def release(self, now: float, corrected: bool = True) -> Feedback | None:
        """Feedback to impressions at least `wait` hours old at `now`, None if there is none.

        Later conversions are unseen. Where `corrected`, `converted` is a float: one conversion counts as `weight`.
        """
        ready, still = [], []
        for feedback in self._held:
            due = feedback.impressions.hours <= now - self.wait
            ready.append(feedback[due])
            if not bool(due.all()):
                still.append(feedback[~due])
        self._held = still
        ready = [feedback for feedback in ready if len(feedback.slates)]
        if not ready:
            return None
        whole = concatenate(ready)
        seen = whole.converted & (whole.delay_hours <= self.wait)
        self._seen.append(whole.delay_hours[seen])
        delay = torch.where(seen, whole.delay_hours, torch.inf)
        return dataclasses.replace(whole, converted=seen * self.weight if corrected else seen, delay_hours=delay)

    def learn_rate(self) -> None:
        """Fits the delay's rate to all conversions seen so far; with fewer than 20 the first guess stands."""
        delays = torch.cat(self._seen) if self._seen else torch.zeros(0)
        self._seen = [delays]
        if len(delays) >= 20:
            self.rate = exponential_rate(delays, self.wait)


def concatenate(parts: list[Feedback]) -> Feedback:
    """One feedback of several; an optional column stays only if all have it."""
    visits = _columns(Impressions, [part.impressions for part in parts])
    return Feedback(Impressions(**visits), **_columns(Feedback, parts))


def _columns(kind: type[Impressions] | type[Feedback], parts: list[Any]) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(kind) if field.name != "impressions"]
    values = {name: [getattr(part, name) for part in parts] for name in names}
    return {name: None if any(v is None for v in column) else torch.cat(column) for name, column in values.items()}
