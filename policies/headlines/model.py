"""The effect model of headlines: what a text adds to click log-odds, learned from tests of texts that share a picture.

A stack. Members read views of a text (`text_views.py`, `encoder.py`). Those that read n-grams are logistic
regressions on pairs (`pair_logistic.py`). Those that read dense views are ridge regressions on effects, where a view
has a prior variance: what it may account for. How far a member may go is chosen on stories held out in turn, and
members are weighed by how well they predict those stories, no weight below zero. As all of it is linear in the views,
the fitted model is one vector of weights a view.

Effects within a test are weighted by their evidence; the level of a test (its story, its picture, its week) is free and
drops out. Large effects are drawn in (`BEND`): a few tests with a runaway winner would outweigh all others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize_scalar, nnls
from scipy.sparse import csr_matrix
from scipy.special import expit

from ...simulation.archive.contrasts import Array, effects, pairs
from ...simulation.data.errors import InputError
from .pair_logistic import MOST, fit_pairs
from .text_views import SparseView, View

BEND = 0.15
"""Log-odds at which effects are bent, y = BEND tanh(effect / BEND), for members to learn from."""


@dataclass(frozen=True)
class HeadlineConfig:
    """Members and their prior."""

    members: Mapping[str, Mapping[str, float]]
    """Ridge regressions by name: prior variance of log-odds by view."""
    by_pairs: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Logistic regressions on pairs, one a sparse view: prior variances of a weight to choose from."""
    idiosyncratic: float = 0.05
    """Variance of log-odds that is a text's own and that no view accounts for."""
    scales: Sequence[float] = (0.5, 1.0, 2.0)
    """Factors on a ridge regression's variances to choose from."""
    folds: int = 5
    """Parts of the stories that are held out in turn."""


@dataclass(frozen=True)
class HeadlineModel:
    """The fitted model; see `fit_headline_model`."""

    views: Mapping[str, View | SparseView]
    weights: Mapping[str, Array]
    """[columns] of each view: log-odds a unit."""
    certainty: float
    """Log-odds, a unit of predicted difference, that the text predicted ahead wins a test as large as those learned
    from; on stories held out."""
    shares: Mapping[str, float]
    """Weight of each member in the stack."""

    def predict(self, texts: Sequence[str]) -> Array:
        """[n] log-odds; differences between texts of a test are what counts."""
        return np.sum([view(texts) @ self.weights[name] for name, view in self.views.items()], axis=0)

    def beats(self, first: Array, second: Array) -> Array:
        """Probability that texts get the higher click rate in a test against others, from predictions of both."""
        return expit(self.certainty * (first - second))


@dataclass(frozen=True)
class CrossFit:
    """A model, and what it says of its own training tests when their stories are held out."""

    model: HeadlineModel
    unseen: Array
    """[arms] predictions by models that had not seen the arm's story."""
    left_out: Mapping[str, Array]
    """[columns, folds] of each view: weights learned without a fold's stories."""

    @property
    def ensemble(self) -> dict[str, Array]:
        """[columns, folds] of each view: weights whose mean is the model's and whose spread is their standard error.

        The delete-a-group jackknife (Kott, Journal of Official Statistics 2001): deviations of weights learned without
        each of K folds, times sqrt(K - 1).
        """
        found = {}
        for view, weights in self.left_out.items():
            apart = weights - weights.mean(1, keepdims=True)
            found[view] = self.model.weights[view][:, None] + (weights.shape[1] - 1) ** 0.5 * apart
        return found


def fit_headline_model(
    arms: pd.DataFrame, views: Mapping[str, View | SparseView], config: HeadlineConfig, *, seed: int = 0
) -> CrossFit:
    """Learns from the contrasts of an archive.

    Args:
        arms: `Archive.contrasts`: groups of two texts or more, numbered from 0.
        views: learned from the texts of these arms, or from no texts.
        config: members and their prior.
        seed: draws the folds.

    Raises:
        InputError: fewer than two stories.
    """
    texts, story = arms.text.tolist(), pd.factorize(arms.story)[0]
    stories = int(story.max()) + 1
    if stories < 2:
        raise InputError("there are fewer than two stories to learn from; bring more tests")
    fold = np.random.default_rng(seed).permutation(stories)[story] % min(config.folds, stories)
    evidence = _evidence(arms, config.idiosyncratic)
    unseen: dict[str, Array] = {}
    weights: dict[str, dict[str, Array]] = {}  # of a member, by view: [columns, 1 + folds], of all stories first
    trials, successes = arms.impressions.to_numpy(np.float64), arms.clicks.to_numpy(np.float64)
    told = pairs(trials, successes, arms.group.to_numpy())
    for name, variances in config.by_pairs.items():
        unseen[name], found = _fit_by_pairs(csr_matrix(views[name](texts)), told, fold, variances)
        weights[name] = {name: found}
    for name, member in config.members.items():
        columns = [np.asarray(views[view](texts)) * variance**0.5 for view, variance in member.items()]
        unseen[name], found = _fit_member(np.concatenate(columns, axis=1), evidence, fold, config.scales)
        parts = np.split(found, np.cumsum([part.shape[1] for part in columns])[:-1])
        weights[name] = {view: part * member[view] ** 0.5 for view, part in zip(member, parts, strict=True)}
    shares = _stack(unseen, evidence)
    together = np.sum([shares[name] * unseen[name] for name in unseen], axis=0)
    by_view: dict[str, Array] = {}
    for name, found in weights.items():
        for view, part in found.items():
            by_view[view] = by_view.get(view, 0.0) + shares[name] * part
    used = {name: views[name] for name in by_view}
    of_all, left_out = ({name: part[:, 0] for name, part in by_view.items()}, {n: p[:, 1:] for n, p in by_view.items()})
    return CrossFit(HeadlineModel(used, of_all, _certainty(arms, together), shares), together, left_out)


@dataclass(frozen=True)
class _Evidence:
    """What arms have to say, levels of tests projected out."""

    group: NDArray[np.int64]
    weight: Array
    """[arms] inverse variance of effects, a text's own variance included."""
    effect: Array
    """[arms] log-odds."""

    def projected(self, values: Array) -> Array:
        """Rows of [arms, ...] less the weighted mean of their group, times the root of their weight."""
        total = np.bincount(self.group, self.weight)
        rows = np.arange(len(self.group))
        mean = csr_matrix((self.weight / total[self.group], (self.group, rows))) @ values
        root = np.sqrt(self.weight)
        return (values - mean[self.group]) * (root[:, None] if values.ndim == 2 else root)


def _evidence(arms: pd.DataFrame, idiosyncratic: float) -> _Evidence:
    group = pd.factorize(arms.group)[0]
    effect, weight = effects(arms.impressions.to_numpy(np.float64), arms.clicks.to_numpy(np.float64), group)
    return _Evidence(group, 1 / (1 / weight + idiosyncratic), effect)


def _fit_by_pairs(
    table: csr_matrix, told: tuple[NDArray, NDArray, Array], fold: NDArray[np.int64], variances: Sequence[float]
) -> tuple[Array, Array]:
    """As `_fit_member`, from pairs; both texts of a pair are of one story."""
    first, second, z = told
    best, least, unseen, without = variances[0], np.inf, np.zeros(table.shape[0]), []
    for variance in variances:
        out, learned = np.zeros(table.shape[0]), []
        for i in range(int(fold.max()) + 1):
            seen = fold[first] != i
            learned.append(fit_pairs(table, first[seen], second[seen], z[seen], variance))
            out[fold == i] = table[fold == i] @ learned[-1]
        ahead = (out[first] - out[second]) * np.sign(z)
        missed = float((np.minimum(np.abs(z), MOST) * np.logaddexp(0, -ahead)).sum())
        if not without or missed < least:
            best, least, unseen, without = variance, missed, out, learned
    return unseen, np.stack([fit_pairs(table, first, second, z, best), *without], axis=1)


def _fit_member(
    table: Array, evidence: _Evidence, fold: NDArray[np.int64], scales: Sequence[float]
) -> tuple[Array, Array]:
    """Predictions of held-out folds at the best scale; weights from all folds, and without each, side by side."""
    rows, wanted = evidence.projected(table), evidence.projected(BEND * np.tanh(evidence.effect / BEND))
    folds = range(int(fold.max()) + 1)
    grams = [rows[fold == i].T @ rows[fold == i] for i in folds]
    moments = [rows[fold == i].T @ wanted[fold == i] for i in folds]
    gram, moment = np.sum(grams, axis=0), np.sum(moments, axis=0)
    best, least, unseen, without = scales[0], np.inf, np.zeros(len(table)), []
    for scale in scales:
        out, learned = np.zeros(len(table)), []
        for i in folds:
            learned.append(_ridge(gram - grams[i], moment - moments[i], scale))
            out[fold == i] = table[fold == i] @ learned[-1]
        missed = float(((wanted - evidence.projected(out)) ** 2).sum())
        if not without or missed < least:
            best, least, unseen, without = scale, missed, out, learned
    return unseen, np.stack([_ridge(gram, moment, best), *without], axis=1)


def _ridge(gram: Array, moment: Array, scale: float) -> Array:
    penalised = gram + np.eye(len(moment)) / scale
    return cho_solve(cho_factor(penalised, overwrite_a=True, check_finite=False), moment)


def _stack(unseen: Mapping[str, Array], evidence: _Evidence) -> dict[str, float]:
    """Stacked regressions (Breiman, 1996): least squares on predictions of held-out folds, no weight below zero."""
    table = np.stack([evidence.projected(values) for values in unseen.values()], axis=1)
    shares, _ = nnls(table, evidence.projected(evidence.effect))
    return {name: float(share) for name, share in zip(unseen, shares, strict=True)}


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
