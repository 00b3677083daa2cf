"""How much any policy could earn in a replay: a bound by information relaxation.

Whoever places a test's texts is told more than a policy can know: the test's level at once, what each showing of a text
will bring, and after every turn what it brought. In return a turn earns not the text's true rate but what one would
believe of it by then, from the prior and the clicks so far; so knowing the future helps only by telling when to stop
believing. What the best sequence of turns earns is, on average over the prior, no less than any policy earns
(IRS.V-Zero of Min, Maglaras and Moallemi, "Thompson sampling with information relaxation penalties", NeurIPS 2019,
arXiv 1902.04251). Given the level the texts are independent, so that only how often each is shown matters.
"""

import numpy as np
from scipy.special import expit, log_expit, logit

from ....agents.horizon import ArchivePrior
from ..statistics.bootstrap import Array
from .replay import ArchiveTests

TURNS = 1000
"""Turns of a test: policies that split it finer are not bounded, by whatever that is worth."""
NODES = 65
"""Of the quadrature over a text's effect, from -5 to 5 of its standard deviations."""
AT_ONCE = 100
"""Tests that are worked out side by side."""


def most_earned(tests: ArchiveTests, prior: ArchivePrior, total: int, rng: np.random.Generator) -> Array:
    """[tests] clicks an impression that no policy exceeds on average, if tests are drawn from the prior.

    By how much the rate of the text that the text model likes best lies above what is believed of it is added: it is
    nothing on average, and takes out what chance there is in these tests' rates, for policies and the bound alike.

    Args:
        tests: that are replayed; their rates are taken for draws of the prior.
        prior: of these tests.
        total: impressions a test.
        rng: draws levels, given the rates, and clicks.
    """
    level = drawn_levels(tests, prior, rng)
    size = max(1, total // TURNS)
    parts = []
    for start in range(0, len(tests.starts), AT_ONCE):
        chosen = np.zeros(len(tests.starts), dtype=bool)
        chosen[start : start + AT_ONCE] = True
        part = tests.part(chosen)
        believed = _believed(part, prior, level[chosen], size, total // size, rng)
        parts.append(_best_total(believed, part) / (total // size) + _luck(believed, part))
    return np.concatenate(parts)


def _luck(believed: Array, tests: ArchiveTests) -> Array:
    """[tests] what the rate of the text that is liked best lies above what is believed of it at first."""
    first = np.lexsort((-tests.text, tests.test))[tests.starts]
    return (tests.rate - believed[:, 1])[first]


def drawn_levels(tests: ArchiveTests, prior: ArchivePrior, rng: np.random.Generator) -> Array:
    """[tests] levels, drawn from their distribution given the rates of all texts of the test."""
    odds = logit(tests.rate)
    variance = prior.variance(np.add.reduceat(odds, tests.starts) / tests.sizes)
    precision = 1 / prior.level_variance + tests.sizes / variance
    left = np.add.reduceat(odds - prior.trust * tests.text, tests.starts)
    mean = (prior.level / prior.level_variance + left / variance) / precision
    return mean + rng.standard_normal(len(mean)) / np.sqrt(precision)


def _believed(
    tests: ArchiveTests, prior: ArchivePrior, level: Array, size: int, turns: int, rng: np.random.Generator
) -> Array:
    """[arms, turns + 1] sums of what is believed of an arm's rate before each of its turns, the level known."""
    clicks = rng.binomial(size, tests.rate[:, None], (len(tests.rate), turns)).cumsum(1)
    clicks = np.concatenate([np.zeros((len(clicks), 1)), clicks[:, :-1]], axis=1)
    shown = size * np.arange(turns)
    mean = (level[tests.test] + prior.trust * tests.text)[:, None]
    z = np.linspace(-5, 5, NODES)
    odds = mean + np.sqrt(prior.variance(level))[tests.test][:, None] * z
    sums = np.zeros((len(clicks), turns + 1))
    for arm, row in enumerate(odds):
        log_weight = clicks[arm, :, None] * row + shown[:, None] * log_expit(-row) - z**2 / 2
        weight = np.exp(log_weight - log_weight.max(1, keepdims=True))
        np.cumsum(weight @ expit(row) / weight.sum(1), out=sums[arm, 1:])
    return sums


def _best_total(believed: Array, tests: ArchiveTests) -> Array:
    """[tests] most that turns can sum up to, dealt to a test's arms in any way."""
    best = believed[tests.starts]
    for place in range(1, int(tests.sizes.max())):
        has = np.flatnonzero(tests.sizes > place)
        best[has] = most_of_two(best[has], believed[tests.starts[has] + place])
    return best[:, -1]


def most_of_two(first: Array, second: Array) -> Array:
    """[n, T + 1] most that t turns earn, dealt to two: max over s of first[t - s] + second[s]."""
    turns = first.shape[1] - 1
    best = first + second[:, :1]
    for s in range(1, turns + 1):
        np.maximum(best[:, s:], first[:, : turns + 1 - s] + second[:, s : s + 1], out=best[:, s:])
    return best
