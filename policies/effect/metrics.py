"""How well predicted probabilities fit a log that the model has not seen."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

Array = NDArray[np.float64]


def binomial_metrics(probability: Array, trials: Array, successes: Array, bins: int = 10) -> dict[str, float]:
    """Scores predictions of cells; every trial counts as one observation.

    Precision, recall and F1 are at the break-even threshold: as many trials are called successes as there are.

    Args:
        probability: [m] predicted for each cell.
        trials: [m] trials of each cell.
        successes: [m] successes among them.
        bins: groups of equal trials for the calibration error.

    Returns:
        `log_loss` and `base_log_loss` (of the constant rate) in nats a trial, `auc`, `calibration_error` (expected
        absolute gap between predicted and seen rate over the bins, relative to the base rate), `precision`, `recall`,
        `f1`. What is not defined, because all trials ended alike, is left out.
    """
    total, won = float(trials.sum()), float(successes.sum())
    if not 0 < won < total:
        return {}
    label = np.r_[np.ones_like(probability), np.zeros_like(probability)]
    score, weight = np.r_[probability, probability], np.r_[successes, trials - successes]
    rate = np.full_like(score, won / total)
    return {
        "log_loss": float(log_loss(label, score, sample_weight=weight)),
        "base_log_loss": float(log_loss(label, rate, sample_weight=weight)),
        "auc": float(roc_auc_score(label, score, sample_weight=weight)),
        "calibration_error": _calibration_error(probability, trials, successes, bins),
        **_break_even(probability, trials, successes),
    }


def _calibration_error(probability: Array, trials: Array, successes: Array, bins: int) -> float:
    order = np.argsort(probability, kind="stable")
    place = np.minimum((np.cumsum(trials[order]) - trials[order] / 2) / trials.sum() * bins, bins - 1).astype(int)
    expected = np.bincount(place, (probability * trials)[order], bins)
    seen = np.bincount(place, successes[order], bins)
    return float(np.abs(expected - seen).sum() / successes.sum())


def _break_even(probability: Array, trials: Array, successes: Array) -> dict[str, float]:
    order = np.argsort(-probability, kind="stable")
    called = np.cumsum(trials[order]) <= max(successes.sum(), trials[order][0])
    hits = successes[order][called].sum()
    precision, recall = hits / trials[order][called].sum(), hits / successes.sum()
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {"precision": float(precision), "recall": float(recall), "f1": float(f1)}
