"""From a log and a policy to the figure of every estimator, each with its interval and what it rests on.

A log comes as blocks of impressions and is gone through a few times: what weights come to, then what the values of each
estimator come to, and for bootstrap intervals once more. No more than a block of it is held.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..statistics.bootstrap import Array, Interval
from ..statistics.intervals import bootstrap_t, empirical_bernstein, skew_corrected, weighted_events, worth_of_events
from ..statistics.moments import Moments
from . import estimators, slate_estimators
from .estimators import slope, thresholds
from .weighted_log import WeightedLog
from .weights import Sums, Weights, weigh

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


@dataclass(frozen=True)
class Answer:
    """One estimator's word on one policy."""

    interval: Interval
    ess: float
    """Effective sample size of the weights before any are cut or shrunk: the interval rests on them."""
    max_weight: float
    parameter: float | None = None
    """What SLOPE chose: the largest weight that is kept whole, or the strength of the shrinkage."""


def answers(
    log: Iterable[WeightedLog],
    rng: np.random.Generator,
    method: str = "skew-corrected",
    weights: Weights | None = None,
) -> dict[str, Answer]:
    """Every estimator that the log allows; none that rests on weights which are as good as zero in some slot.

    Args:
        log: blocks of what it says of one policy; gone through several times.
        rng: for replay, and for bootstrap intervals.
        method: one of `METHODS`.
        weights: see `weigh`, where they are known already.
    """
    weights = weights or weigh(log)
    columns: list[_Column] = []
    if weights.single is not None and not weights.single.idle:
        columns += _single(weights.single)
        if weights.slots == 1:
            log, kept = _replayed(log, rng, weights.single.largest)
            columns += _replay(kept) if kept.weight.n * kept.weight.mean[0] > 1 else []
    if weights.slates is not None and not weights.slates.idle and weights.slots > 1:
        columns += _slates(weights)
    if not columns:
        return {}
    moments = Moments.over(_values(block, columns) for block in log)
    names = list(dict.fromkeys(column.name for column in columns))
    parts = [_part(name, columns, moments) for name in names]
    own = [part.interval_of for part in parts]
    told = moments.columns(own)
    if method == "bernstein":
        # The log does not say how large a value could have been: one more click might have had the largest weight.
        possible = np.array([part.sums.weight.most.sum() * weights.most for part in parts])
        bounds = empirical_bernstein(told, (np.minimum(told.least, 0), np.maximum(told.most, possible)))
    elif method == "bootstrap":
        bounds = bootstrap_t((_values(block, [columns[i] for i in own]) for block in log), told, rng)
    else:
        bounds = skew_corrected(told)
    few = method != "bernstein"
    return {part.name: _answer(part, weights, row, few) for part, row in zip(parts, bounds, strict=True)}


METHODS = ("skew-corrected", "bootstrap", "bernstein")
"""How intervals are made."""


class _Column(NamedTuple):
    """One estimator with one parameter."""

    name: str
    sums: Sums
    """Of the weights that it rests on."""
    values: Callable[[WeightedLog], Array]
    """[m, L] of a block."""
    parameter: float | None = None


class _Part(NamedTuple):
    """An estimator before it has an interval."""

    name: str
    sums: Sums
    mean: float
    """The estimate itself."""
    interval_of: int
    """Column whose values the interval is of."""
    parameter: float | None


def _values(block: WeightedLog, columns: list[_Column]) -> Array:
    """[m, E], sums over slots."""
    return np.stack([column.values(block).sum(1) for column in columns], axis=1)


def _part(name: str, columns: list[_Column], moments: Moments) -> _Part:
    found = [i for i, column in enumerate(columns) if column.name == name]
    first = columns[found[0]]
    if name not in UNBIASED:
        return _Part(name, first.sums, float(moments.mean[found[0]]), found[0], None)
    unbiased = next(i for i, column in enumerate(columns) if column.name == UNBIASED[name])
    # SLOPE among the estimates that the unbiased form does not exclude, whose interval they are given: a log bounds the
    # bias that shrinking brings no better than it bounds the value itself (Low, "On nonparametric confidence
    # intervals", 1997). What shrinks is the error of the estimate, not what can honestly be excluded.
    low, high = skew_corrected(moments.columns([unbiased]))[0]
    possible = [i for i in found if low <= moments.mean[i] <= high]
    taken = possible[slope(moments.columns(possible))]
    return _Part(name, first.sums, float(moments.mean[taken]), unbiased, columns[taken].parameter)


def _answer(part: _Part, weights: Weights, bounds: Array, few: bool) -> Answer:
    """An estimate with its interval; where few clicks came, and `few` is set, with that of the weighted clicks."""
    size, n = part.sums.effective_size, part.sums.weight.n
    events = part.sums.events if few else None
    found = _kept_possible(part.mean, bounds, events, (n / size, weights.most), n, weights.slots)
    return Answer(found, size, part.sums.largest, part.parameter)


FEW = 25.0
"""Worth of events (see `worth_of_events`) below which an interval is that of the weighted events themselves: the spread
of what was seen then says too little of what was not."""


def _kept_possible(
    mean: float, bounds: Array, events: tuple[float, float] | None, another: tuple[float, float], n: int, slots: int
) -> Interval:
    """What can be said of a mean reward, which lies between 0 and that of a slate clicked and bought in every slot.

    Args:
        mean: the estimate.
        bounds: by the spread of its values.
        events: weights times rewards, weights averaging 1: their sum and that of their squares; None where bounds need
            no help.
        another: weight that one more event may have, and the largest reward of a slot.
        n: decisions.
        slots: L.
    """
    low, high = map(float, bounds)
    weight, most = another
    if events is not None and worth_of_events(*events, weight * most) < FEW:
        low, high = weighted_events(*events, weight * most, n)
        low, high = min(low, mean), max(high, mean)
    low, high = np.clip([low, high], 0.0, slots * most)
    return Interval(mean=mean, low=float(low), high=float(high))


UNBIASED = {"clipped-ips": "ips", "switch-dr": "dr", "dros": "dr"}
"""Of an estimator with a parameter that SLOPE tunes: the one whose bias it trades for variance."""


def _single(sums: Sums) -> list[_Column]:
    cuts, over, missed = thresholds(sums.largest), sums.over, sums.over_missed

    def column(name: str, values: Callable[..., Array], *last: object, parameter: float | None = None) -> _Column:
        def of(block: WeightedLog) -> Array:
            return values(block.reward, block.weight, block.predicted, block.expected, *last)

        return _Column(name, sums, of, parameter)

    return [
        column("dm", estimators.targeted_dm, missed),
        column("ips", lambda r, w, q, v: estimators.ips(r, w)),
        *(
            column("clipped-ips", lambda r, w, q, v, most: estimators.clipped_ips(r, w, most), cut, parameter=cut)
            for cut in cuts
        ),
        column("snips", lambda r, w, q, v: estimators.snips(r, w, over)),
        column("dr", estimators.dr),
        *(column("switch-dr", estimators.switch_dr, cut, parameter=cut) for cut in cuts),
        *(column("dros", estimators.dros, power, parameter=power) for power in (np.inf, *(cut**2 for cut in cuts))),
    ]


def _replayed(log: Iterable[WeightedLog], rng: np.random.Generator, most: float) -> tuple["_Replayed", Sums]:
    """The log with what replay keeps of it, and what that comes to."""
    found = _Replayed(log, copy.deepcopy(rng), most)
    sums = Sums.over_blocks((block.reward, block.kept, block.predicted) for block in found if block.kept is not None)
    rng.bit_generator.state = found.after
    return found, sums


class _Replayed:
    """A log whose blocks say what replay keeps: the same whenever it is gone through."""

    def __init__(self, log: Iterable[WeightedLog], before: np.random.Generator, most: float) -> None:
        """Takes the generator as it is before the first draw, and the largest weight of all."""
        self._log, self._before, self._most = log, before, most
        self.after = before.bit_generator.state

    def __iter__(self) -> Iterator[WeightedLog]:
        draw = copy.deepcopy(self._before)
        for block in self._log:
            assert block.weight is not None
            yield replace(block, kept=estimators.accepted(block.weight, draw, self._most))
        self.after = draw.bit_generator.state


def _replay(kept: Sums) -> list[_Column]:
    def values(block: WeightedLog) -> Array:
        assert block.kept is not None
        return estimators.replayed_reward(block.reward, block.kept, kept.over)

    return [_Column("replay", kept, values)]


def _slates(weights: Weights) -> list[_Column]:
    sums, above = weights.slates, weights.above
    assert sums is not None
    assert above is not None
    over, both = sums.over, (sums.over_missed, above.over)

    def column(name: str, values: Callable[[Array, Array, Array, Array], Array]) -> _Column:
        def of(block: WeightedLog) -> Array:
            assert block.chain is not None
            return values(block.reward, block.chain, *block.down_the_slate)

        return _Column(name, sums, of)

    return [
        column("rips", lambda r, c, q, v: slate_estimators.rips(r, c)),
        column("sn-rips", lambda r, c, q, v: slate_estimators.self_normalised_rips(r, c, over)),
        column("cascade-dr", slate_estimators.cascade_dr),
        column("sn-cascade-dr", lambda r, c, q, v: slate_estimators.self_normalised_cascade_dr(r, c, q, v, both)),
    ]


def interval_of(rewards: Iterable[Array], most: float = 1.0) -> Interval:
    """The interval of what a policy earned itself, blocks of [m, L] rewards of at most `most` each."""
    total, square, moments, slots = 0.0, 0.0, None, 1
    for reward in rewards:
        total, square, slots = total + float(reward.sum()), square + float((reward**2).sum()), reward.shape[1]
        found = Moments.of(reward.sum(1)[:, None])
        moments = found if moments is None else moments + found
    assert moments is not None
    return _kept_possible(
        float(moments.mean[0]), skew_corrected(moments)[0], (total, square), (1.0, most), moments.n, slots
    )
