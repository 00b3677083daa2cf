"""From a log and a policy to the figure of every estimator, each with its interval and what it rests on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..statistics.bootstrap import Array, Interval
from ..statistics.intervals import bootstrap_t, empirical_bernstein, skew_corrected, weighted_events, worth_of_events
from . import estimators, slate_estimators
from .estimators import Tuned, slope, thresholds

LABELS = {
    "dm": "DM, targeted",
    "ips": "IPS",
    "clipped-ips": "clipped IPS",
    "snips": "SNIPS",
    "dr": "DR",
    "switch-dr": "Switch-DR",
    "dros": "DRos",
    "replay": "replay",
    "rips": "RIPS",
    "sn-rips": "self-normalised RIPS",
    "cascade-dr": "Cascade-DR",
    "sn-cascade-dr": "self-normalised Cascade-DR",
    "effect-model": "effect model, uncorrected",
}
"""What the estimators are called in tables; on slates IPS and SNIPS are IIPS and its self-normalised form."""
SLATE_LABELS = LABELS | {"ips": "IIPS", "snips": "self-normalised IIPS"}


def labels_of(slots: int) -> dict[str, str]:
    """What estimators are called on a log of so many slots."""
    return SLATE_LABELS if slots > 1 else LABELS


READ_FIRST = ("dr", "cascade-dr", "snips", "sn-rips", "dm", "effect-model")
"""Which of a policy's estimates to read, the first that there is: doubly robust ones need not trust the reward model
(Dudík et al., ICML 2011; Kiyohara et al., WSDM 2022), and their intervals are their own."""


def read_first(row: Mapping[str, Any]) -> str | None:
    """The estimator to read of a policy's; None where it has no estimate."""
    return next((name for name in READ_FIRST if name in row), None)


def against_logged(row: Mapping[str, Any], logged: Interval) -> str:
    """Whether a policy's estimate lies above or below what was earned; intervals that meet do not tell."""
    name = read_first(row)
    if name is None:
        return "nothing is known of it from this log"
    if name == "effect-model":
        return "what an effect model expects of its texts, which nothing in this log corrects"
    found = row[name]
    if found["low"] > logged["high"]:
        return "more than was earned as logged"
    if found["high"] < logged["low"]:
        return "less than was earned as logged"
    return "this log does not tell it from what was earned"


POOR_SIZE = 100
"""An effective sample size below this is called poor."""
POOR_SHARE = 0.05
"""A single weight with more than this share of all is called poor."""


@dataclass(frozen=True)
class WeightedLog:
    """What a log says of a policy; all [n, L], L = 1 where one thing is shown."""

    reward: Array
    weight: Array | None
    """pi_e / pi_b of each creative in its slot, whatever stands above; None where the log does not tell."""
    chain: Array | None
    """pi_e / pi_b of each creative given the slots above; None where the log does not tell. For L = 1 the two agree."""
    predicted: Array
    """A reward model's word on what was shown, learned from other rows."""
    expected: Array
    """The same averaged over what the policy would put in each slot."""
    expected_below: Array
    """The same averaged over what the policy would put there below the logged slots above."""
    most: float = 1.0
    """Largest reward of a slot: a click, and a conversion at its worth."""

    @property
    def slots(self) -> int:
        """L."""
        return self.reward.shape[1]


@dataclass(frozen=True)
class Answer:
    """One estimator's word on one policy."""

    interval: Interval
    ess: float
    """Effective sample size of the weights before any are cut or shrunk: the interval rests on them."""
    max_weight: float
    parameter: float | None = None
    """What SLOPE chose: the largest weight that is kept whole, or the strength of the shrinkage."""


def answers(evidence: WeightedLog, rng: np.random.Generator, method: str = "skew-corrected") -> dict[str, Answer]:
    """Every estimator that the log allows.

    Args:
        evidence: of one policy.
        rng: for replay, and for bootstrap intervals.
        method: one of `METHODS`.
    """
    parts: list[_Part] = []
    if evidence.weight is not None:
        parts += _single(evidence, evidence.weight, rng)
    if evidence.chain is not None and evidence.slots > 1:
        parts += _slates(evidence, evidence.chain)
    if not parts:
        return {}
    values = np.stack([part.values.sum(1) for part in parts], axis=1)
    if method == "bernstein":
        # The log does not say how large a value could have been: one more click might have had the largest weight.
        possible = np.array([part.weight.max(0).sum() * evidence.most for part in parts])
        bounds = empirical_bernstein(values, (np.minimum(values.min(0), 0), np.maximum(values.max(0), possible)))
    else:
        bounds = BY_SPREAD[method](values, rng)
    few = method != "bernstein"
    return {part.name: _answer(part, evidence, row, few) for part, row in zip(parts, bounds, strict=True)}


class _Part(NamedTuple):
    """An estimator before it has an interval."""

    name: str
    values: Array
    """[n, L], those that the interval is of."""
    weight: Array
    tuned: Tuned | None = None
    """The estimate itself, where that is another."""


def _answer(part: _Part, evidence: WeightedLog, bounds: Array, few: bool) -> Answer:
    """An estimate with its interval; where few clicks came, and `few` is set, with that of the weighted clicks."""
    mean = float((part.values if part.tuned is None else part.tuned.values).sum(1).mean())
    size, largest = estimators.effective_sample_size(part.weight), float(part.weight.max())
    events = part.weight / part.weight.mean(0) * evidence.reward
    found = _kept_possible(mean, bounds, events if few else None, len(events) / size, evidence.most, evidence.slots)
    return Answer(found, size, largest, part.tuned and part.tuned.parameter)


FEW = 25.0
"""Worth of events (see `worth_of_events`) below which an interval is that of the weighted events themselves: the spread
of what was seen then says too little of what was not."""


def _kept_possible(
    mean: float, bounds: Array, events: Array | None, another: float, most: float, slots: int
) -> Interval:
    """What can be said of a mean reward, which lies between 0 and that of a slate clicked and bought in every slot.

    Args:
        mean: the estimate.
        bounds: by the spread of its values.
        events: [n, L] weights times rewards, weights averaging 1; None where bounds need no help.
        another: weight that one more event may have.
        most: largest reward of a slot.
        slots: L.
    """
    low, high = map(float, bounds)
    if events is not None and worth_of_events(events, another * most) < FEW:
        low, high = weighted_events(events, another * most, len(events))
        low, high = min(low, mean), max(high, mean)
    low, high = np.clip([low, high], 0.0, slots * most)
    return Interval(mean=mean, low=float(low), high=float(high))


def _single(evidence: WeightedLog, w: Array, rng: np.random.Generator) -> list[_Part]:
    r, q, v = evidence.reward, evidence.predicted, evidence.expected
    cuts = thresholds(w)
    weighted, doubly = estimators.ips(r, w), estimators.dr(r, w, q, v)
    clipped = _tune(cuts, lambda most: estimators.clipped_ips(r, w, most), weighted)
    switched = _tune(cuts, lambda most: estimators.switch_dr(r, w, q, v, most), doubly)
    strengths = [np.inf, *(cut**2 for cut in cuts)]
    shrunk = _tune(strengths, lambda strength: estimators.dros(r, w, q, v, strength), doubly)
    parts = [
        _Part("dm", estimators.targeted_dm(r, w, q, v), w),
        _Part("ips", weighted, w),
        _Part("clipped-ips", weighted, w, clipped),
        _Part("snips", estimators.snips(r, w), w),
        _Part("dr", doubly, w),
        _Part("switch-dr", doubly, w, switched),
        _Part("dros", doubly, w, shrunk),
    ]
    if evidence.slots == 1 and (kept := estimators.accepted(w, rng)).sum() > 1:
        parts.append(_Part("replay", estimators.replayed_reward(r, kept), kept))
    return parts


def _tune(candidates: list[float], estimate: Callable[[float], Array], unbiased: Array) -> Tuned:
    """SLOPE among the estimates that the unbiased form does not exclude, whose interval they are given.

    A log bounds the bias that shrinking brings no better than it bounds the value itself (Low, "On nonparametric
    confidence intervals", 1997): what shrinks is the error of the estimate, not what can honestly be excluded.
    """
    low, high = skew_corrected(unbiased.sum(1)[:, None])[0]
    return slope([c for c in candidates if low <= estimate(c).sum(1).mean() <= high], estimate)


def _slates(evidence: WeightedLog, chain: Array) -> list[_Part]:
    r, weight = evidence.reward, slate_estimators.down(chain)
    # What the model expects of the slots below a slot is the same whatever the slot holds: it joins both sides.
    below = np.cumsum(evidence.expected[:, ::-1], axis=1)[:, ::-1] - evidence.expected
    q, v = evidence.predicted + below, evidence.expected_below + below
    return [
        _Part("rips", slate_estimators.rips(r, chain), weight),
        _Part("sn-rips", slate_estimators.self_normalised_rips(r, chain), weight),
        _Part("cascade-dr", slate_estimators.cascade_dr(r, chain, q, v), weight),
        _Part("sn-cascade-dr", slate_estimators.self_normalised_cascade_dr(r, chain, q, v), weight),
    ]


def interval_of(reward: Array, most: float = 1.0) -> Interval:
    """The interval of what a policy earned itself, [n, L] rewards of at most `most` each."""
    values = reward.sum(1)
    return _kept_possible(float(values.mean()), skew_corrected(values[:, None])[0], reward, 1.0, most, reward.shape[1])


BY_SPREAD: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "skew-corrected": lambda values, rng: skew_corrected(values),
    "bootstrap": bootstrap_t,
}
"""How intervals are made: from [n, E] values to [E, 2] bounds; `bernstein` asks for what values could have been."""
METHODS = ("skew-corrected", "bootstrap", "bernstein")


def overlap_warning(weight: Array) -> str | None:
    """Why a figure should not be leaned on, in a line; None where nothing speaks against it.

    Weights average to one if propensities are right and the log holds all that the policy does.
    """
    n = len(weight)
    mean, error = weight.mean(0), weight.std(0) / np.sqrt(n)
    if np.any(np.abs(mean - 1) > 4 * error + 1e-3):
        slot = int(np.argmax(np.abs(mean - 1)))
        return (
            f"weights average {mean[slot]:.2f} in slot {slot}, not 1: propensities are wrong, or the policy picks what "
            "the log never holds"
        )
    size = estimators.effective_sample_size(weight)
    if size < POOR_SIZE:
        return f"poor overlap: {n:,} decisions are worth {size:.0f} of the policy's own"
    share = float(np.max(weight.max(0) / weight.sum(0)))
    if share > POOR_SHARE:
        return f"poor overlap: one decision has {share:.0%} of all weight"
    return None
