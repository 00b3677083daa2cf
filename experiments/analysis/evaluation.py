"""From a log and a policy to the figure of every estimator, each with its interval and what it rests on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import estimators, slate_estimators
from .estimators import Tuned, slope, thresholds
from .intervals import bootstrap_t, empirical_bernstein, skew_corrected
from .statistics import Array, Interval

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
}
"""What the estimators are called in tables; on slates IPS and SNIPS are IIPS and its self-normalised form."""
SLATE_LABELS = LABELS | {"ips": "IIPS", "snips": "self-normalised IIPS"}
POOR_SIZE = 100
"""An effective sample size below this is called poor."""
POOR_SHARE = 0.05
"""A single weight with more than this share of all is called poor."""


@dataclass(frozen=True)
class Evidence:
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

    @property
    def slots(self) -> int:
        """L."""
        return self.reward.shape[1]


@dataclass(frozen=True)
class Answer:
    """One estimator's word on one policy."""

    interval: Interval
    ess: float
    max_weight: float
    parameter: float | None = None
    """What SLOPE chose: the largest weight that is kept whole, or the strength of the shrinkage."""


def answers(evidence: Evidence, rng: np.random.Generator, method: str = "skew-corrected") -> dict[str, Answer]:
    """Every estimator that the log allows.

    Args:
        evidence: of one policy.
        rng: for replay, and for bootstrap intervals.
        method: one of `METHODS`.
    """
    found: dict[str, Answer] = {}

    def add(name: str, values: Array, weight: Array, tuned: Tuned | None = None) -> None:
        ess, largest = estimators.effective_sample_size(weight), float(weight.max())
        interval = METHODS[method](values.sum(1), rng)
        if tuned is not None:
            interval = Interval(mean=float(tuned.values.sum(1).mean()), low=interval["low"], high=interval["high"])
        found[name] = Answer(interval, ess, largest, tuned and tuned.parameter)

    if evidence.weight is not None:
        _add_single(evidence, evidence.weight, rng, add)
    if evidence.chain is not None and evidence.slots > 1:
        _add_slates(evidence, evidence.chain, add)
    return found


def _add_single(evidence: Evidence, w: Array, rng: np.random.Generator, add: Callable[..., None]) -> None:
    r, q, v = evidence.reward, evidence.predicted, evidence.expected
    cuts = thresholds(w)
    add("dm", estimators.targeted_dm(r, w, q, v), w)
    weighted, doubly = estimators.ips(r, w), estimators.dr(r, w, q, v)
    add("ips", weighted, w)
    tuned = _tune(cuts, lambda most: estimators.clipped_ips(r, w, most), weighted)
    add("clipped-ips", weighted, np.minimum(w, tuned.parameter), tuned)
    add("snips", estimators.snips(r, w), w)
    add("dr", doubly, w)
    tuned = _tune(cuts, lambda most: estimators.switch_dr(r, w, q, v, most), doubly)
    add("switch-dr", doubly, np.where(w <= tuned.parameter, w, 0.0), tuned)
    strengths = [np.inf, *(cut**2 for cut in cuts)]
    tuned = _tune(strengths, lambda strength: estimators.dros(r, w, q, v, strength), doubly)
    add("dros", doubly, estimators.shrunk(w, tuned.parameter), tuned)
    if evidence.slots == 1:
        kept = estimators.accepted(w, rng)
        if kept.sum() > 1:
            add("replay", estimators.replay(r, kept), kept)


def _tune(candidates: list[float], estimate: Callable[[float], Array], unbiased: Array) -> Tuned:
    """SLOPE among the estimates that the unbiased form does not exclude, whose interval they are given.

    A log bounds the bias that shrinking brings no better than it bounds the value itself (Low, "On nonparametric
    confidence intervals", 1997): what shrinks is the error of the estimate, not what can honestly be excluded.
    """
    bounds = skew_corrected(unbiased.sum(1))
    means = [float(estimate(candidate).sum(1).mean()) for candidate in candidates]
    return slope(
        [c for c, mean in zip(candidates, means, strict=True) if bounds["low"] <= mean <= bounds["high"]], estimate
    )


def _add_slates(evidence: Evidence, chain: Array, add: Callable[..., None]) -> None:
    r, weight = evidence.reward, slate_estimators.down(chain)
    # What the model expects of the slots below a slot is the same whatever the slot holds: it joins both sides.
    below = np.cumsum(evidence.expected[:, ::-1], axis=1)[:, ::-1] - evidence.expected
    predicted, expected = evidence.predicted + below, evidence.expected_below + below
    add("rips", slate_estimators.rips(r, chain), weight)
    add("sn-rips", slate_estimators.self_normalised_rips(r, chain), weight)
    add("cascade-dr", slate_estimators.cascade_dr(r, chain, predicted, expected), weight)
    add("sn-cascade-dr", slate_estimators.self_normalised_cascade_dr(r, chain, predicted, expected), weight)


def _bernstein(values: Array, rng: np.random.Generator) -> Interval:
    # The log does not say how large a value could have been: the largest seen stands in for it.
    return empirical_bernstein(values, (float(values.min()), float(values.max())))


METHODS: dict[str, Callable[[Array, np.random.Generator], Interval]] = {
    "skew-corrected": lambda values, rng: skew_corrected(values),
    "bootstrap": bootstrap_t,
    "bernstein": _bernstein,
}
"""How an interval is made."""


def overlap_warning(answer: Answer, weight: Array) -> str | None:
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
    if answer.ess < POOR_SIZE:
        return f"poor overlap: {n:,} decisions are worth {answer.ess:.0f} of the policy's own"
    share = float(np.max(weight.max(0) / weight.sum(0)))
    if share > POOR_SHARE:
        return f"poor overlap: one decision has {share:.0%} of all weight"
    return None
