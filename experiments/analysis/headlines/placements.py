"""Policies that place the texts of A/B tests, batch by batch; all tests at once."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls
from scipy.special import expit, logit

from ....agents.horizon import ArchivePrior, Belief, believe, sampled
from ..statistics.anytime import log_e_value
from ..statistics.bootstrap import Array
from .replay import ArchiveTests, Policy, ReplayState, capture, replay

OURS = "copybandit"
"""Name of our policy."""
NO_END = "copybandit-no-end"
"""The same, where nobody knows how many impressions are left."""
CALLED = 0.05
"""Chance that an A/B test which ends as soon as it can calls a winner that is none, at most."""
EXPLORATIONS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
"""Shares of the posterior's deviation that ours may start from."""
DRAWS = 10
"""Thompson sampling splits a batch over so many draws at most."""


def _to_best(index: Array, state: ReplayState) -> Array:
    """The whole batch to the arm of the highest index, ties broken at random."""
    index = np.round(index, 12)
    ties = index == np.maximum.reduceat(index, state.tests.starts, axis=-1)[..., state.tests.test]
    lot = np.where(ties, state.rng.random(index.shape), -1.0)
    best = lot == np.maximum.reduceat(lot, state.tests.starts, axis=-1)[..., state.tests.test]
    return best * float(state.batch)


def uniform(state: ReplayState) -> Array:
    """Every arm as often, in turn; which one has the first turn differs from test to test."""
    test = state.tests.test
    sizes = state.tests.sizes[test]
    place = (np.arange(len(test)) - state.tests.starts[test] + test) % sizes
    due = [(n + sizes - 1 - place) // sizes for n in (state.done, state.done + state.batch)]
    return np.broadcast_to((due[1] - due[0]).astype(np.float64), state.shown.shape)


def text_only(state: ReplayState) -> Array:
    """Always what the text model likes best."""
    return _to_best(np.broadcast_to(state.tests.text, state.shown.shape), state)


@dataclass(frozen=True)
class Commit:
    """An A/B test on the first share of impressions, then the arm that did best in it."""

    share: float

    def __call__(self, state: ReplayState) -> Array:
        """Places a batch."""
        if state.done < self.share * state.total:
            return uniform(state)
        rate = state.clicks / np.maximum(state.shown, 1)
        # What was shown after the test could change the choice: the winner is the arm that is shown already.
        begun = state.done >= self.share * state.total + state.batch
        return _to_best(state.shown if begun else rate, state)


@dataclass
class EarlyTest:
    """An A/B test that ends as soon as evidence which holds at every look sets a text above each other, then that text.

    Evidence: `statistics/anytime.py`, shared among the texts that could be called (of two, one test says both).
    """

    _called: Array | None = field(default=None, init=False)

    def __call__(self, state: ReplayState) -> Array:
        """Places a batch."""
        tests, test = state.tests, state.tests.test
        if self._called is None:
            self._called = np.zeros_like(state.shown)
        ahead = _to_best(state.clicks / np.maximum(state.shown, 1), state) > 0
        lead, shown = (
            np.add.reduceat(v * ahead, tests.starts, axis=-1)[..., test] for v in (state.clicks, state.shown)
        )
        share = np.where(shown > 0, shown / np.maximum(shown + state.shown, 1), 0.5)
        evidence = np.where(ahead, np.inf, log_e_value(lead, state.clicks, np.clip(share, 0.01, 0.99)))
        least = np.minimum.reduceat(evidence, tests.starts, axis=-1)[..., test]
        ended = np.add.reduceat(self._called, tests.starts, axis=-1)[..., test] > 0
        now = ahead & ~ended & (least >= np.log(np.where(tests.sizes == 2, 1, tests.sizes)[test] / CALLED))
        self._called = self._called + now
        ended = ended | (np.add.reduceat(now, tests.starts, axis=-1)[..., test] > 0)
        return np.where(ended, self._called * state.batch, uniform(state))


def ucb1(state: ReplayState) -> Array:
    """UCB1 (Auer, Cesa-Bianchi and Fischer, 2002), its width scaled to the variance of a click at the pooled rate.

    The textbook's width is made for rewards all over [0, 1]; at click rates of one in a hundred it would never choose.
    """
    pooled = _pooled(state)
    width = np.sqrt(2 * np.log(max(state.done, 1)) * pooled * (1 - pooled) / np.maximum(state.shown, 1))
    index = state.clicks / np.maximum(state.shown, 1) + width
    return _to_best(np.where(state.shown > 0, index, 2.0), state)


def _pooled(state: ReplayState) -> Array:
    """[..., arms] click rate of the whole test so far, one click added."""
    starts = state.tests.starts
    clicks, shown = (np.add.reduceat(values, starts, axis=-1) for values in (state.clicks, state.shown))
    return ((clicks + 1) / (shown + 60))[..., state.tests.test]


def kl_ucb(state: ReplayState) -> Array:
    """KL-UCB (Garivier and Cappe, 2011) with c = 0: the highest q with n kl(rate, q) <= log t."""
    n, rate = np.maximum(state.shown, 1), state.clicks / np.maximum(state.shown, 1)
    low, high = rate, np.ones_like(rate)
    for _ in range(20):
        q = (low + high) / 2
        inside = n * bernoulli_kl(rate, q) <= np.log(max(state.done, 1))
        low, high = np.where(inside, q, low), np.where(inside, high, q)
    return _to_best(np.where(state.shown > 0, low, 2.0), state)


def bernoulli_kl(p: Array, q: Array) -> Array:
    """Kullback-Leibler divergence of coins, in nats."""
    p, q = np.clip(p, 1e-12, 1 - 1e-12), np.clip(q, 1e-12, 1 - 1e-12)
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def _split(draw: Callable[[], Array], state: ReplayState) -> Array:
    """The batch in `DRAWS` parts at most, each to the best arm of a new draw."""
    given, starts, test = np.zeros_like(state.shown), state.tests.starts, state.tests.test
    for part in np.diff(np.round(np.linspace(0, state.batch, min(DRAWS, state.batch) + 1))):
        drawn = draw()
        given += (drawn == np.maximum.reduceat(drawn, starts, axis=-1)[..., test]) * part
    return given


@dataclass(frozen=True)
class BetaThompson:
    """Thompson sampling with a Beta prior of every arm's rate."""

    successes: float = 1.0
    failures: float = 1.0

    def __call__(self, state: ReplayState) -> Array:
        """Places a batch."""
        won = state.clicks + self.successes
        lost = state.shown - state.clicks + self.failures

        def rates() -> Array:
            a, b = state.rng.standard_gamma(won), state.rng.standard_gamma(lost)
            return a / (a + b)

        return _split(rates, state)


@dataclass
class TextAndHorizon:
    """Ours: informed by text, hierarchical over tests, aware of what is left. See agents/horizon.py."""

    prior: ArchivePrior
    exploration: float
    knows_end: bool = True
    _belief: Belief | None = field(default=None, init=False)

    def __call__(self, state: ReplayState) -> Array:
        """Places a batch."""
        self._belief = believe(
            self.prior, state.tests.text, state.shown, state.clicks, state.tests.starts, self._belief
        )
        belief, left = self._belief, 1 - state.done / state.total if self.knows_end else 1.0
        return _split(lambda: sampled(belief, self.exploration, left, state.rng), state)


def beta_prior(tests: ArchiveTests) -> BetaThompson:
    """Thompson sampling whose Beta prior has the mean and variance of the arms of these tests."""
    mean, variance = tests.rate.mean(), max(tests.rate.var(), 1e-12)
    strength = max(mean * (1 - mean) / variance - 1, 1.0)
    return BetaThompson(mean * strength, (1 - mean) * strength)


def learn_prior(tests: ArchiveTests) -> ArchivePrior:
    """The prior of `TextAndHorizon`, by moments of tests whose texts were predicted by a model that had not seen them.

    Trust is the regression of effects on predictions; squares of what is left over, with the degrees of freedom of
    their test, are regressed on 1 and 1 / rate, neither below zero.
    """
    test, sizes = tests.test, tests.sizes
    odds = logit(tests.rate)
    level = np.add.reduceat(odds, tests.starts) / sizes
    effect = odds - level[test]
    square = float((tests.text**2).sum())
    trust = max(float(tests.text @ effect) / square, 0.0) if square else 0.0
    left = np.add.reduceat((effect - trust * tests.text) ** 2, tests.starts) / (sizes - 1)
    (spread, per_click), _ = nnls(np.stack([np.ones_like(level), 1 / expit(level)], axis=1), left)
    return ArchivePrior(
        float(level.mean()), max(float(level.var()), 1e-6), trust, float(max(spread, 1e-6)), float(per_click)
    )


def learn_exploration(
    prior: ArchivePrior,
    tests: ArchiveTests,
    total: int,
    rng: np.random.Generator,
    most: int = 600,
    *,
    knows_end: bool = True,
) -> float:
    """The exploration of `EXPLORATIONS` that captures most of these tests in a replay of so many impressions.

    Args:
        prior: learned from them.
        tests: with predictions by models that had not seen their stories.
        total: impressions a test.
        rng: draws `most` of the tests, and clicks.
        most: tests to replay.
        knows_end: whether the policy will know how many impressions are left.
    """
    chosen = np.zeros(len(tests.starts), dtype=bool)
    chosen[rng.permutation(len(chosen))[:most]] = True
    part = tests.part(chosen)
    seed = rng.integers(2**32)

    def gained(exploration: float) -> float:
        # The same chance for all: what differs is the exploration.
        tried = TextAndHorizon(prior, exploration, knows_end)
        return capture(part, replay(part, tried, total, np.random.default_rng(seed), repetitions=2))

    return max(EXPLORATIONS, key=gained)


def policies(learned: ArchiveTests, total: int, rng: np.random.Generator) -> dict[str, Callable[[], Policy]]:
    """All policies by name, ours last; each is to be called for a new one.

    Args:
        learned: earlier tests, for the policies that learn from them.
        total: impressions that a test will get.
        rng: for what ours tries on the earlier tests.
    """
    prior, thompson = learn_prior(learned), beta_prior(learned)
    exploration = learn_exploration(prior, learned, total, rng)
    endless = learn_exploration(prior, learned, total, rng, knows_end=False)
    commits = {f"ab-{share:.0%}".rstrip("%"): Commit(share) for share in (0.1, 0.2, 0.5)}
    fixed: dict[str, Policy] = {
        "uniform": uniform,
        **commits,
        "ucb1": ucb1,
        "kl-ucb": kl_ucb,
        "thompson-flat": BetaThompson(),
        "thompson-eb": thompson,
        "text-only": text_only,
    }
    return {name: lambda p=policy: p for name, policy in fixed.items()} | {
        "ab-early": EarlyTest,
        NO_END: lambda: TextAndHorizon(prior, endless, knows_end=False),
        OURS: lambda: TextAndHorizon(prior, exploration),
    }
