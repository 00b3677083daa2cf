"""A/B tests that are watched while they run: e-processes, confidence sequences, and when a winner can be called.

Counts come look by look: at look t, `shown[t]` more impressions of an arm brought `clicks[t]` more clicks. The same
holds for conversions given clicks (CVR). Looking at every step costs nothing: an error of 5% is that of the whole test,
however long it runs and whenever it is stopped. Sources are at each function.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy
from scipy.stats import chi2, false_discovery_control, norm

from ....simulation.data.errors import InputError
from .bootstrap import Array

PRIOR_CLICKS = 10.0
"""Clicks' worth of belief that arms are alike, from which an arm's rate is guessed before each look."""


def log_e_process(
    clicks_a: ArrayLike, shown_a: ArrayLike, clicks_b: ArrayLike, shown_b: ArrayLike, difference: ArrayLike = 0.0
) -> Array:
    """Evidence against `rate b - rate a = difference`, as a log e-value after each look.

    At each look both rates are guessed from the looks before, q_a and q_b; the look's likelihood under the guesses is
    divided by that under the pair of rates nearest to them in KL divergence among pairs with this difference. The
    product over looks exceeds 1 / level ever with probability at most `level` if the difference is the true one
    (Turner, Ly and Grunwald, "Generic E-variables for exact sequential k-sample tests", 2021; Turner and Grunwald,
    "Exact anytime-valid confidence intervals for contingency tables", 2023; Ville, 1939). It is exact, not asymptotic.

    Args:
        clicks_a: [..., T].
        shown_a: [..., T], at least `clicks_a`.
        clicks_b: [..., T].
        shown_b: [..., T].
        difference: broadcasts against them.
    """
    ka, na, kb, nb = (np.asarray(counts, dtype=np.float64) for counts in (clicks_a, shown_a, clicks_b, shown_b))
    qa, qb = _guesses(ka, na, kb, nb)
    difference = np.asarray(difference, dtype=np.float64)
    pa = (
        (na * qa + nb * qb) / np.maximum(na + nb, 1e-300)
        if not difference.any()
        else _nearest(qa, na, qb, nb, difference)
    )
    gain = _log_likelihood(ka, na, qa) - _log_likelihood(ka, na, pa)
    gain = gain + _log_likelihood(kb, nb, qb) - _log_likelihood(kb, nb, pa + difference)
    # A look with no impressions says nothing.
    return np.cumsum(np.where(na + nb > 0, gain, 0.0), axis=-1)


def confidence_sequence(
    clicks_a: ArrayLike, shown_a: ArrayLike, clicks_b: ArrayLike, shown_b: ArrayLike, level: float = 0.05
) -> tuple[Array, Array]:
    """Bounds on `rate b - rate a` after each look, [T] and [T]: all of them hold at once with probability 1 - level.

    They are the differences that `log_e_process` has not rejected so far, on a grid that is fine near the last estimate
    and rounded outwards.
    """
    ka, na, kb, nb = (np.asarray(counts, dtype=np.float64) for counts in (clicks_a, shown_a, clicks_b, shown_b))
    estimate = kb.sum() / max(nb.sum(), 1) - ka.sum() / max(na.sum(), 1)
    steps = np.geomspace(1e-6, 2.0, 400)
    grid = np.concatenate([estimate - steps[::-1], [estimate], estimate + steps])
    grid = grid[(grid > -1) & (grid < 1)]
    evidence = log_e_process(ka, na, kb, nb, grid[:, None])
    fine = np.maximum.accumulate(evidence, axis=1) < np.log(1 / level)
    edges = np.concatenate([[-1.0], grid, [1.0]])
    first, last = fine.argmax(0), fine[::-1].argmax(0)
    some = fine.any(0)
    low = np.where(some, edges[first], estimate)
    high = np.where(some, edges[len(grid) + 1 - last], estimate)
    return low, high


@dataclass(frozen=True)
class Call:
    """Whether, and when, the best arm can be called."""

    winner: int | None
    """The arm, or None if it cannot be called yet."""
    look: int | None
    """The look at which it could first be called, from 0."""
    impressions: int
    """Impressions of all arms until then, or in all."""

    def sentence(self, names: list[str]) -> str:
        """In words."""
        if self.winner is None:
            return f"no winner can be called after {self.impressions:,} impressions"
        return f"{names[self.winner]} could be called the winner after {self.impressions:,} impressions"


def call_winner(clicks: ArrayLike, shown: ArrayLike, level: float = 0.05) -> Call:
    """The first look at which one arm is better than every other; wrong ever, at whichever look, with chance `level`.

    Every pair of arms is tested by `log_e_process`; against A - 1 others, each at level / A, which by Bonferroni over
    the arms that may be called keeps the whole at `level`.

    Args:
        clicks: [T, A] new clicks of each arm at each look.
        shown: [T, A] new impressions.
        level: chance of calling an arm that is not better.

    Raises:
        InputError: a single arm, or more clicks than impressions.
    """
    k, n = np.asarray(clicks, dtype=np.float64), np.asarray(shown, dtype=np.float64)
    _check(k, n)
    arms = k.shape[1]
    rate = k.cumsum(0) / np.maximum(n.cumsum(0), 1)
    # With two arms one test says both: the pair is rejected or not. With more, each arm may be called falsely.
    needed = np.log((1 if arms == 2 else arms) / level)
    better = np.ones((len(k), arms), dtype=bool)
    for a in range(arms):
        for b in range(a + 1, arms):
            told = log_e_process(k[:, a], n[:, a], k[:, b], n[:, b]) >= needed
            better[:, a] &= told & (rate[:, a] > rate[:, b])
            better[:, b] &= told & (rate[:, b] > rate[:, a])
    called = np.flatnonzero(better.any(1))
    if not called.size:
        return Call(None, None, int(n.sum()))
    look = int(called[0])
    return Call(int(better[look].argmax()), look, int(n[: look + 1].sum()))


def _check(clicks: Array, shown: Array) -> None:
    if clicks.ndim != 2 or clicks.shape != shown.shape or clicks.shape[1] < 2:
        raise InputError(f"clicks {list(clicks.shape)}: give [looks, arms] with two arms or more, and shown alike")
    if (wrong := np.argwhere((clicks > shown) | (clicks < 0))).size:
        look, arm = wrong[0]
        raise InputError(
            f"look {look}, arm {arm}: {clicks[look, arm]:g} clicks of {shown[look, arm]:g} impressions; correct it"
        )


def _guesses(ka: Array, na: Array, kb: Array, nb: Array) -> tuple[Array, Array]:
    """Rates as guessed before each look: shrunk to the common rate by `PRIOR_CLICKS`; they see no later look."""
    before = [np.cumsum(counts, axis=-1) - counts for counts in (ka, na, kb, nb)]
    common = (before[0] + before[2] + 0.5) / (before[1] + before[3] + 1)
    return (
        common * (before[0] + PRIOR_CLICKS) / (before[1] * common + PRIOR_CLICKS),
        common * (before[2] + PRIOR_CLICKS) / (before[3] * common + PRIOR_CLICKS),
    )


def _nearest(qa: Array, na: Array, qb: Array, nb: Array, difference: Array) -> Array:
    """The p at which (p, p + difference) has the least n_a KL(q_a, p) + n_b KL(q_b, p + difference); by bisection."""
    shape = np.broadcast_shapes(qa.shape, difference.shape)
    low = np.broadcast_to(np.maximum(0.0, -difference), shape)
    high = np.broadcast_to(np.minimum(1.0, 1.0 - difference), shape)
    for _ in range(50):
        p = (low + high) / 2
        slope = na * (p - qa) / (p * (1 - p)) + nb * (p + difference - qb) / ((p + difference) * (1 - p - difference))
        low, high = np.where(slope < 0, p, low), np.where(slope < 0, high, p)
    return (low + high) / 2


def _log_likelihood(clicks: Array, shown: Array, rate: Array) -> Array:
    return xlogy(clicks, rate) + xlogy(shown - clicks, 1 - rate)


def sample_size(rate: float, other: float, power: float = 0.8, level: float = 0.05) -> int:
    """Impressions an arm for a two-sided test of two proportions, looked at once (Fleiss, "Statistical methods for
    rates and proportions", 1981, without continuity correction).

    Raises:
        InputError: rates that are equal or not between 0 and 1.
    """
    if not (0 < rate < 1 and 0 < other < 1) or rate == other:
        raise InputError(f"rates {rate:g} and {other:g}: give two different ones between 0 and 1")
    middle = (rate + other) / 2
    spread = norm.ppf(1 - level / 2) * np.sqrt(2 * middle * (1 - middle))
    spread += norm.ppf(power) * np.sqrt(rate * (1 - rate) + other * (1 - other))
    return int(np.ceil((spread / (rate - other)) ** 2))


def power(rate: float, other: float, shown: int, level: float = 0.05) -> float:
    """Chance that such a test with `shown` impressions an arm tells the two rates apart: `sample_size` turned round."""
    middle = (rate + other) / 2
    threshold = norm.ppf(1 - level / 2) * np.sqrt(2 * middle * (1 - middle))
    spread = np.sqrt(rate * (1 - rate) + other * (1 - other))
    return float(norm.cdf((abs(rate - other) * np.sqrt(shown) - threshold) / spread))


def two_proportions(clicks: ArrayLike, shown: ArrayLike, clicks_0: ArrayLike, shown_0: ArrayLike) -> Array:
    """Two-sided p-values of arms against a control, looked at once: the z test with a pooled rate."""
    k, n, k0, n0 = (np.asarray(counts, dtype=np.float64) for counts in (clicks, shown, clicks_0, shown_0))
    pooled = (k + k0) / (n + n0)
    error = np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / n + 1 / n0), 1e-300))
    return 2 * norm.sf(np.abs(k / n - k0 / n0) / error)


def discoveries(p_values: ArrayLike, rate: float = 0.05) -> NDArray[np.bool_]:
    """Which of many creatives differ, with at most a share `rate` of false ones expected among them (Benjamini and
    Hochberg, 1995).
    """
    return false_discovery_control(np.asarray(p_values, dtype=np.float64)) <= rate


def sample_ratio_mismatch(shown: ArrayLike, shares: ArrayLike | None = None) -> float:
    """p-value that impressions were dealt to arms as planned, by chi-square; below 0.001 something is broken (Fabijan
    et al., "Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019).

    Args:
        shown: [A] impressions.
        shares: [A] planned; equal by default.

    Raises:
        InputError: a single arm, or nothing shown.
    """
    counts = np.asarray(shown, dtype=np.float64)
    planned = np.ones_like(counts) if shares is None else np.asarray(shares, dtype=np.float64)
    if counts.size < 2 or counts.sum() <= 0 or planned.shape != counts.shape or (planned <= 0).any():
        raise InputError("impressions by arm: give two arms or more, with impressions and positive shares")
    expected = counts.sum() * planned / planned.sum()
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), counts.size - 1))
