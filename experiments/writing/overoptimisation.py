"""Over-optimisation: what the gold does as a writer moves away from where it began."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..analysis.statistics.bootstrap import Array


def fit_gold(distance: Array, gain: Array) -> dict[str, float] | None:
    """Least-squares fit of gain = d (alpha - beta log d), d the square root of the KL from the start.

    The form that Gao et al. found for the gold reward under reinforcement learning ("Scaling Laws for Reward Model
    Overoptimization", ICML 2023, section 3): it is linear in alpha and beta. With beta > 0 the gold is best at
    d = exp(alpha / beta - 1).

    Args:
        distance: [n] d; points with d <= 0 say nothing and are left out.
        gain: [n] gold over its start.

    Returns:
        `alpha`, `beta`, `r2` and, for beta > 0, `best_distance`; None with fewer than three points, or where all lie at
        one distance.
    """
    kept = distance > 1e-6
    d, y = distance[kept], gain[kept]
    if len(d) < 3 or np.ptp(d) < 1e-9:
        return None
    table = np.stack([d, -d * np.log(d)], axis=1)
    (alpha, beta), *_ = np.linalg.lstsq(table, y, rcond=None)
    spread = float(((y - y.mean()) ** 2).sum())
    left = float(((y - table @ [alpha, beta]) ** 2).sum())
    fit = {"alpha": float(alpha), "beta": float(beta), "r2": 1 - left / spread if spread > 0 else 0.0}
    return fit | ({"best_distance": float(np.exp(alpha / beta - 1))} if 0 < alpha / 20 < beta else {})


def over_optimisation(curve: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """What summary.json says of a run's curve: the fit of the gold, and an alarm, if there is cause.

    The alarm compares proxy and validation, which are known where there is no gold.

    Args:
        curve: `proxy_gold` of summary.json.
    """
    if len(curve) < 2:
        return {"fit": None, "alarm": None}
    distance = np.array([point["sqrt_kl"] for point in curve])
    gold = np.array([point["gold"] for point in curve])
    return {"fit": fit_gold(distance, gold / gold[0] - 1), "alarm": alarm(curve)}


NOISE = 0.01
"""A fall of the validation below this share of its start is taken for noise."""


def alarm(curve: Sequence[Mapping[str, float]]) -> str | None:
    """A sentence where the proxy ended above the best-validated point while the validation fell below it."""
    best = max(curve, key=lambda point: point["validation"])
    last = curve[-1]
    fall = last["validation"] / best["validation"] - 1
    if fall < -NOISE and last["proxy"] > best["proxy"]:
        return (
            f"From step {best['step']:.0f} to {last['step']:.0f} the proxy rose from {best['proxy']:.2f} to "
            f"{last['proxy']:.2f} while the validation fell by {-fall:.1%}: the writer had begun to please the effect "
            f"model only. The weights of step {best['step']:.0f} were kept."
        )
    return None
