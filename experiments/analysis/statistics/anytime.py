"""A/B tests by their counts so far, valid whenever one looks and however often.

Impressions are dealt to two arms by fixed chances, so each click comes from arm a with a chance that knows only how
the arms' click rates compare: s r / (s r + 1 - s), for a share s of the impressions and a ratio r of rates. For s
stands the share that was planned, for which all of this is exact, or the share that came about, with which lifts are
those of the rates: what chance there is in dealing is then left out of the clicks, and false alarms are rarer (a test
shows it).
The rates themselves may go up and down over the day, as long as their ratio does not. Evidence is the likelihood of
the clicks' arms under a mixture of ratios over that under the ratio in question (Robbins, "Statistical methods related
to the law of the iterated logarithm", 1970; for counts of arms Lindon and Malek, "Anytime-valid inference for
multinomial count data", NeurIPS 2022); that it ever exceeds 1 / level has a chance of `level` at most (Ville, 1939).
Where more than one impression in twenty is clicked, tests that use the rates themselves need
less: `sequential`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, expit, gammaln, logit, xlog1py, xlogy

from .bootstrap import Array

SPREAD = 0.3
"""Standard deviation of the log of the ratio, in the mixture: lifts of about 30% are looked for. It bears on how soon a
test ends, not on whether it is right."""
DEALT_ALIKE = 1000.0
"""Impressions' worth of belief that shares are as planned, in the mixture of shares."""
MOST = 1000.0
"""A test is not foretold beyond so many times its impressions."""


def log_e_value(clicks: ArrayLike, others: ArrayLike, share: ArrayLike, log_ratio: ArrayLike = 0.0) -> Array:
    """Evidence against "an arm's click rate is exp(log_ratio) times the other's", as a log e-value; all broadcast.

    Args:
        clicks: of the arm.
        others: clicks of the other arm.
        share: of both arms' impressions, the arm's; between 0 and 1.
        log_ratio: in question.
    """
    k, m, s = (np.asarray(given, dtype=np.float64) for given in (clicks, others, share))
    theta = expit(logit(s) + np.asarray(log_ratio, dtype=np.float64))
    return _log_mixture(k, m, s) - xlogy(k, theta) - xlog1py(m, -theta)


def _log_mixture(k: Array, m: Array, s: Array) -> Array:
    """Likelihood of the clicks' arms under a beta mixture, whose spread of the log-odds is `SPREAD`, nearly."""
    weight = 1 / (SPREAD**2 * s * (1 - s))
    return betaln(k + weight * s, m + weight * (1 - s)) - betaln(weight * s, weight * (1 - s))


def lift_bounds(clicks: ArrayLike, others: ArrayLike, share: ArrayLike, level: float = 0.05) -> tuple[Array, Array]:
    """Bounds on the lift of an arm's click rate over the other's, valid whenever one looks.

    They enclose the ratios that `log_e_value` does not reject: its likelihood has one peak, so they are two roots,
    found by bisection.

    Returns:
        least and most, as shares of the other's rate; -1 where the arm, infinite where the other has no click.
    """
    k, m, s = np.broadcast_arrays(*(np.asarray(given, dtype=np.float64) for given in (clicks, others, share)))
    least = _log_mixture(k, m, s) - np.log(1 / level)
    peak = np.divide(k, k + m, out=np.array(s), where=k + m > 0)
    low, high = (_root(k, m, least, np.full_like(peak, end), peak) for end in (0.0, 1.0))
    with np.errstate(divide="ignore"):
        return low / (1 - low) * (1 - s) / s - 1, high / (1 - high) * (1 - s) / s - 1


def _root(k: Array, m: Array, least: Array, outside: Array, inside: Array) -> Array:
    """Where the likelihood of the clicks' arms falls to `least` on the way from the peak out, rounded outwards."""
    for _ in range(100):
        middle = (outside + inside) / 2
        kept = xlogy(k, middle) + xlog1py(m, -middle) > least
        outside, inside = np.where(kept, outside, middle), np.where(kept, middle, inside)
    return outside


def times_more(clicks: Array, others: Array, shares: Array, needed: float) -> float | None:
    """How many times its impressions a test needs in all until an arm's evidence against every other is `needed`, if
    the rates stay as they are.

    Args:
        clicks: of the arm, by comparison.
        others: of the other arm.
        shares: of the arm.
        needed: log e-value.

    Returns:
        At least 1; None where it takes more than `MOST` times.
    """

    def enough(times: float) -> bool:
        return bool((log_e_value(times * clicks, times * others, shares) >= needed).all())

    if not enough(MOST):
        return None
    low, high = 1.0, MOST
    while high - low > 1e-3 * low:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if enough(middle) else (middle, high)
    return 1.0 if enough(1.0) else high


def log_e_mismatch(shown: ArrayLike, shares: ArrayLike) -> float:
    """Evidence that impressions were not dealt to arms as planned, as a log e-value (Lindon and Malek, 2022, on sample
    ratio mismatch: a Dirichlet mixture of shares over those planned).

    Args:
        shown: [A] impressions.
        shares: [A] planned, in any unit.
    """
    n, planned = np.asarray(shown, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    planned = planned / planned.sum()
    prior = DEALT_ALIKE * planned
    mixture = gammaln(DEALT_ALIKE) - gammaln(DEALT_ALIKE + n.sum()) + (gammaln(prior + n) - gammaln(prior)).sum()
    return float(mixture - xlogy(n, planned).sum())


def p_value(log_e: ArrayLike) -> Array:
    """[...] always-valid p-values: they hold whenever one looks."""
    return np.exp(-np.maximum(np.asarray(log_e, dtype=np.float64), 0.0))


def e_discoveries(log_e: ArrayLike, rate: float = 0.05) -> NDArray[np.bool_]:
    """Which of many arms differ, with at most a share `rate` of false ones expected among them, however the arms hang
    together (Wang and Ramdas, "False discovery rate control with e-values", JRSS B 84, 2022: e-BH).

    Args:
        log_e: [K] log e-values.
        rate: of false discoveries.
    """
    found = np.asarray(log_e, dtype=np.float64)
    if not found.size:
        return np.zeros(0, dtype=bool)
    falling = np.sort(found)[::-1]
    ranks = np.arange(1, len(falling) + 1)
    passed = np.flatnonzero(falling + np.log(ranks) >= np.log(len(falling) / rate))
    return found >= falling[passed[-1]] if passed.size else np.zeros(len(found), dtype=bool)
