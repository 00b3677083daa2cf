"""The effect model of headlines: what a text adds to click log-odds, learned from tests of texts that share a picture.

A ridge regression on several views of a text (`text_views.py`, `sentence_encoder.py`). Each view has a prior variance,
what it may account for, and all are scaled by one factor that is chosen on stories held out in turn. Effects within a
test are weighted by their evidence; the level of a test (its story, its picture, its week) is free and drops out.
Predictions for held-out stories also say how far the model is to be believed: the slope that makes its differences come
true on average, and how sure one may be that one text beats another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from scipy.special import expit

from ..simulation.contrasts import Array, agreement, effects, pairs
from .text_views import View


@dataclass(frozen=True)
class HeadlineConfig:
    """Prior of the effects."""

    variances: Mapping[str, float]
    """Prior variance of log-odds by view."""
    idiosyncratic: float = 0.05
    """Variance of log-odds that is a text's own and that no view accounts for."""
    scales: Sequence[float] = (0.5, 1.0, 2.0)
    """Factors on all variances to choose from."""
    folds: int = 5
    """Parts of the stories that are held out in turn."""


@dataclass(frozen=True)
class HeadlineModel:
    """The fitted model; see `fit_headline_model`."""

    views: Mapping[str, View]
    weights: Mapping[str, Array]
    """[columns] of each view, calibrated: log-odds a unit."""
    certainty: float
    """Log-odds, a unit of predicted difference, that the text predicted ahead wins a test as large as those learned
    from; on stories held out."""
    scale: float
    """The factor that was chosen."""
    slope: float
    """The factor that calibrated the weights: true difference per difference predicted, on stories held out."""

    def predict(self, texts: Sequence[str]) -> Array:
        """[n] log-odds; differences between texts of a test are what counts."""
        return np.sum([view(texts) @ self.weights[name] for name, view in self.views.items()], axis=0)

    def beats(self, first: Array, second: Array) -> Array:
        """Probability that texts get the higher click rate in a test against others, from predictions of both."""
        return expit(self.certainty * (first - second))


@dataclass(frozen=True)
class Fit:
    """A model, and what it says of its own training tests when their stories are held out."""

    model: HeadlineModel
    unseen: Array
    """[arms] calibrated predictions by models that had not seen the arm's story."""


@dataclass(frozen=True)
class _Evidence:
    """Normal equations of a part of the stories, levels of tests projected out."""

    gram: Array
    moment: Array
    power: float


def fit_headline_model(arms: pd.DataFrame, views: Mapping[str, View], config: HeadlineConfig, *, seed: int = 0) -> Fit:
    """Learns from the contrasts of an archive.

    Args:
        arms: `Archive.contrasts`: groups of two texts or more, numbered from 0.
        views: learned from the texts of these arms, or from no texts.
        config: prior of the effects.
        seed: draws the folds.
    """
    texts = arms.text.tolist()
    columns = {name: view(texts) * config.variances[name] ** 0.5 for name, view in views.items()}
    table = np.concatenate(list(columns.values()), axis=1)
    story = pd.factorize(arms.story)[0]
    folds = min(config.folds, int(story.max()) + 1)
    fold = np.random.default_rng(seed).permutation(int(story.max()) + 1)[story] % folds
    parts = [_evidence(arms[fold == i], table[fold == i], config.idiosyncratic) for i in range(folds)]
    whole = _total(parts)
    best, loss, unseen = config.scales[0], np.inf, np.zeros(len(arms))
    for scale in config.scales:
        out, missed = np.zeros(len(arms)), 0.0
        for i, part in enumerate(parts):
            weights = (
                _solve(_total([p for j, p in enumerate(parts) if j != i]), scale) if folds > 1 else 0 * part.moment
            )
            out[fold == i] = table[fold == i] @ weights
            missed += part.power - 2 * weights @ part.moment + weights @ part.gram @ weights
        if missed < loss:
            best, loss, unseen = scale, missed, out
    slope = float(np.clip(agreement(arms, unseen).slope, 0.0, 2.0))
    weights = slope * _solve(whole, best)
    cuts = np.cumsum([part.shape[1] for part in columns.values()])[:-1]
    by_view = {
        name: part * config.variances[name] ** 0.5 for name, part in zip(columns, np.split(weights, cuts), strict=True)
    }
    unseen = slope * unseen
    return Fit(HeadlineModel(views, by_view, _certainty(arms, unseen), best, slope), unseen)


def _certainty(arms: pd.DataFrame, predicted: Array) -> float:
    """Logistic regression, without intercept, of who won on the difference predicted (Platt, 1999)."""
    trials, successes = arms.impressions.to_numpy(np.float64), arms.clicks.to_numpy(np.float64)
    first, second, z = pairs(trials, successes, arms.group.to_numpy())
    ahead = (predicted[first] - predicted[second]) * np.sign(z)
    if not ahead.any():
        return 0.0
    unit = ahead.std() + np.abs(ahead).mean()
    found = minimize_scalar(lambda k: np.logaddexp(0, -k * ahead / unit).mean(), bounds=(0, 20), method="bounded")
    return float(found.x / unit)


def _evidence(arms: pd.DataFrame, table: Array, idiosyncratic: float) -> _Evidence:
    group = pd.factorize(arms.group)[0]
    effect, weight = effects(arms.impressions.to_numpy(np.float64), arms.clicks.to_numpy(np.float64), group)
    weight = 1 / (1 / weight + idiosyncratic)
    total = np.bincount(group, weight)
    mean = csr_matrix((weight / total[group], (group, np.arange(len(group)))))
    root = np.sqrt(weight)
    table = (table - (mean @ table)[group]) * root[:, None]
    effect = (effect - (mean @ effect)[group]) * root
    return _Evidence(table.T @ table, table.T @ effect, float(effect @ effect))


def _total(parts: Sequence[_Evidence]) -> _Evidence:
    gram = np.sum([part.gram for part in parts], axis=0)
    return _Evidence(gram, np.sum([part.moment for part in parts], axis=0), sum(part.power for part in parts))


def _solve(evidence: _Evidence, scale: float) -> Array:
    penalised = evidence.gram + np.eye(len(evidence.moment)) / scale
    return cho_solve(cho_factor(penalised, overwrite_a=True, check_finite=False), evidence.moment)
