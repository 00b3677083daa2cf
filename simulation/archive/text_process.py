"""A Gaussian process over texts, learned from contrasts: what a text adds to the log-odds of a click.

Its mean is a sum of similarities to texts that were tested, so a text unlike all of them is given the average: nothing
that was never seen to pay can score high. Unlike a regression on words, it also says how sure it is, of sums of texts
too. See Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapter 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize

from ..text.encoder import surface_features, tokens
from ..text.ngrams import Ngrams
from .contrasts import Agreement, Array, agreement, effects, thin

CHARACTERS, WORDS, TOPICS, SURFACE = 0.06, 0.06, 0.03, 0.02
"""Prior variance of log-odds that each way of being alike accounts for."""
LENGTH_SCALE = 0.7
"""Distance of unit vectors at which similarity has fallen to exp(-1/2)."""
IDIOSYNCRATIC = 0.05
"""Variance of log-odds that is a text's own and shared with no other."""
FREE = 100.0
"""Prior variance of a group's level: so wide that only differences within groups count."""


MOST_ARMS = 6000
"""Texts that are learned from; time grows with their cube, and a larger archive is thinned to so many."""


@dataclass(frozen=True)
class _Views:
    """Texts as the kernel sees them; a row a text."""

    characters: csr_matrix
    words: csr_matrix
    topics: Array
    surface: Array


class TextKernel:
    """How alike two texts are: in characters, words, topics (latent semantic analysis) and looks."""

    def __init__(self, texts: Sequence[str], topics: int = 100) -> None:
        """Takes vocabularies and spreads from texts."""
        self._characters = Ngrams(texts, analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True)
        self._words = Ngrams(texts, cut=tokens, ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        table = self._characters(texts)
        self._topics = TruncatedSVD(max(min(topics, min(table.shape) - 1), 1), random_state=0).fit(table)
        surface = torch.log1p(surface_features(texts)).numpy()
        self._mean, self._spread = surface.mean(0), surface.std(0) + 1e-3

    def view(self, texts: Sequence[str]) -> _Views:
        """Texts as the kernel sees them."""
        table = self._characters(texts)
        surface = torch.log1p(surface_features(texts)).numpy().astype(np.float64)
        return _Views(
            table,
            self._words(texts),
            normalize(self._topics.transform(table)),
            np.clip((surface - self._mean) / self._spread, -6, 6),
        )

    def __call__(self, a: _Views, b: _Views) -> Array:
        """[n, m] covariances of the log-odds of n and m texts."""
        similar = CHARACTERS * _radial((a.characters @ b.characters.T).toarray())
        similar += WORDS * _radial((a.words @ b.words.T).toarray())
        similar += TOPICS * _radial(a.topics @ b.topics.T)
        return similar + SURFACE * np.exp(-_squared_distances(a.surface, b.surface) / (2 * 3.0**2))


def _radial(cosine: Array) -> Array:
    return np.exp((cosine - 1) / LENGTH_SCALE**2)


def _squared_distances(a: Array, b: Array) -> Array:
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0)


@dataclass
class TextMean:
    """What a fitted process expects of texts; see `fit_text_process`."""

    kernel: TextKernel
    known: _Views
    weights: Array
    scale: float
    """Factor on the posterior that makes predictions for unseen tests calibrated."""

    @classmethod
    def of(cls, texts: Sequence[str], weights: Array, scale: float) -> "TextMean":
        """The same again from the texts that were learned from and their weights."""
        kernel = TextKernel(texts)
        return cls(kernel, kernel.view(texts), weights, scale)

    def predict(self, texts: Sequence[str], chunk: int = 1024) -> Array:
        """[n] log-odds; differences between texts are what counts."""
        parts = [self.kernel.view(texts[i : i + chunk]) for i in range(0, len(texts), chunk)]
        rows = [self.kernel(part, self.known) @ self.weights for part in parts]
        return self.scale * np.concatenate(rows) if rows else np.zeros(0)


@dataclass
class TextProcess(TextMean):
    """The fitted process with its doubts."""

    factor: tuple[Array, bool]
    """Cholesky factor of the covariance of what was observed."""
    unseen: Agreement
    """With real clicks of tests that were held out in turn, after scaling."""
    learned: pd.DataFrame
    """The arms it learned from, with `expected`: log-odds by the fit that their story was held out of."""

    def difference(self, first: Sequence[str], second: Sequence[str]) -> tuple[float, float]:
        """Mean log-odds of the first texts minus that of the second: posterior mean and standard deviation."""
        views = self.kernel.view([*first, *second])
        share = np.r_[np.full(len(first), 1 / len(first)), np.full(len(second), -1 / len(second))]
        across = share @ self.kernel(views, self.known)
        variance = share @ self.kernel(views, views) @ share - across @ cho_solve(self.factor, across)
        return float(self.scale * across @ self.weights), float(self.scale * np.sqrt(max(variance, 0.0)))


def fit_text_process(arms: pd.DataFrame, *, folds: int = 5, seed: int = 0) -> TextProcess:
    """Learns what texts do from the contrasts of an archive, and calibrates it on stories held out in turn.

    Args:
        arms: `Archive.contrasts`: groups of two texts or more.
        folds: parts of the cross-fit; a story is held out as a whole.
        seed: draws the folds.
    """
    rng = np.random.default_rng(seed)
    arms = thin(arms, MOST_ARMS, rng)
    texts, story = arms.text.tolist(), pd.factorize(arms.story)[0]
    kernel = TextKernel(texts)
    known = kernel.view(texts)
    covariance = kernel(known, known)
    fold = rng.permutation(int(story.max()) + 1)[story] % folds
    out = np.zeros(len(arms))
    for i in range(folds):
        rest, held = np.flatnonzero(fold != i), np.flatnonzero(fold == i)
        if len(held) and len(rest):
            _, weights = _solve(arms.iloc[rest], covariance[np.ix_(rest, rest)])
            out[held] = covariance[np.ix_(held, rest)] @ weights
    # Each fold is judged after scaling by the slope of the others, as an unseen test would be.
    judged = out * np.array([_slope(arms[fold != i], out[fold != i]) for i in range(folds)])[fold]
    factor, weights = _solve(arms, covariance)
    unseen = agreement(arms, judged)
    return TextProcess(kernel, known, weights, _slope(arms, out), factor, unseen, arms.assign(expected=judged))


def _slope(arms: pd.DataFrame, predicted: Array) -> float:
    arms = arms.assign(group=pd.factorize(arms.group)[0])
    return max(agreement(arms, predicted).slope, 0.0) if len(arms) else 1.0


def _solve(arms: pd.DataFrame, covariance: Array) -> tuple[tuple[Array, bool], Array]:
    group = pd.factorize(arms.group)[0]
    effect, weight = effects(arms.impressions.to_numpy(np.float64), arms.clicks.to_numpy(np.float64), group)
    observed = covariance + FREE * (group[:, None] == group[None])
    observed[np.diag_indices_from(observed)] += 1 / weight + IDIOSYNCRATIC
    factor = cho_factor(observed, lower=True, overwrite_a=True, check_finite=False)
    return factor, cho_solve(factor, effect)
