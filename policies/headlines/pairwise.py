"""The effect model of an archive of A/B tests: what a text adds, learned from differences within groups.

An ensemble of linear models on n-grams. Each member is a ridge regression of the log-odds effects within groups,
weighted by evidence: with n texts and D >> n features it is solved in its dual form, (F F' + group + noise) a =
effects, and the weights are F' a. A group's level (its story, its picture, its week) is a free constant and drops
out. Members read texts differently and learn from their own bootstrap sample of stories, so that their spread says
where evidence is thin.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix, hstack

from ...simulation.archive.contrasts import Array, effects, thin
from ...simulation.data.catalog import Creative
from ...simulation.text.encoder import surface_features, tokens
from ...simulation.text.ngrams import Ngrams
from ..effect.contract import Prediction

FREE = 100.0
"""Prior variance of a group's level, so wide that only differences within groups count."""

MOST_ARMS = 6000
"""Texts that are learned from; time grows with their cube, and a larger archive is thinned to so many."""


@dataclass(frozen=True)
class PairwiseConfig:
    """Prior of the effects."""

    text: float = 0.02
    """Prior variance of log-odds that n-grams account for."""
    surface: float = 0.01
    """The same for what the text looks like (length, capitals, marks, ...)."""
    idiosyncratic: float = 0.05
    """Variance of log-odds that no feature accounts for."""
    members: int = 6


VIEWS: tuple[dict, ...] = (
    {"analyzer": "char_wb", "ngram_range": (2, 5), "min_df": 3},
    {"cut": tokens, "ngram_range": (1, 2), "min_df": 2},
    {"analyzer": "char_wb", "ngram_range": (2, 5), "min_df": 3, "lowercase": False},
)
"""How members read texts, in turn: characters, words, characters with their case."""


class _Features:
    """Tf-idf of n-grams and bounded surface features, each of about unit length."""

    def __init__(self, view: dict, texts: Sequence[str], config: PairwiseConfig) -> None:
        self._ngrams = Ngrams(texts, sublinear_tf=True, **view)
        surface = torch.log1p(surface_features(texts)).double().numpy()
        self._mean, self._spread = surface.mean(0), surface.std(0) + 0.02
        self._scales = config.text**0.5, (config.surface / surface.shape[1]) ** 0.5
        self._cut = view.get("cut")

    def state(self) -> dict[str, Any]:
        """What was learned."""
        words = {"ngrams": self._ngrams.state(), "words": self._cut is not None}
        return words | {"mean": self._mean, "spread": self._spread, "scales": list(self._scales)}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "_Features":
        """What `state` said."""
        again = cls.__new__(cls)
        again._cut = tokens if state["words"] else None
        again._ngrams = Ngrams.restored(state["ngrams"], again._cut)
        again._mean, again._spread = state["mean"], state["spread"]
        again._scales = state["scales"][0], state["scales"][1]
        return again

    def __call__(self, texts: Sequence[str]) -> csr_matrix:
        surface = torch.log1p(surface_features(texts)).double().numpy()
        bounded = 2 * np.tanh((surface - self._mean) / self._spread / 2)
        return csr_matrix(hstack([self._scales[0] * self._ngrams(texts), self._scales[1] * csr_matrix(bounded)]))


@dataclass
class PairwiseEffect:
    """Predicts what texts add to clicks and conversions; reads nothing but the text. See `fit_pairwise_effect`."""

    base: tuple[float, float]
    """Log-odds of the archive's CTR and CVR."""
    features: list[_Features]
    weights: list[Array]
    """[D, 2] a member."""

    def predict(self, creatives: Sequence[Creative]) -> Prediction:
        """Predicts texts; the context is the archive's average, as a new story's level is not known."""
        texts = [creative.text for creative in creatives]
        tables = {view: view(texts) for view in set(self.features)}  # members share views
        parts = [
            torch.from_numpy(np.asarray(tables[view] @ w)).float()
            for view, w in zip(self.features, self.weights, strict=True)
        ]
        text = torch.stack(parts)
        return Prediction(torch.tensor(self.base).expand_as(text), text)

    def state(self) -> dict[str, Any]:
        """All that was learned."""
        features = [one.state() for one in self.features]
        return {"base": list(self.base), "features": features, "weights": list(self.weights)}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "PairwiseEffect":
        """What `state` said."""
        base = state["base"]
        return cls((base[0], base[1]), [_Features.restored(one) for one in state["features"]], state["weights"])


def fit_pairwise_effect(
    arms: pd.DataFrame,
    config: PairwiseConfig = PairwiseConfig(),
    *,
    seed: int = 0,
    progress: Callable[[int], None] = lambda n: None,
) -> PairwiseEffect:
    """Learns from groups of an archive.

    Args:
        arms: `Archive.contrasts`, with `impressions`, `clicks` and, if there are any, `conversions`.
        config: prior of the effects.
        seed: draws each member's stories.
        progress: called after each member with 1.
    """
    rng = np.random.default_rng(seed)
    arms = thin(arms, MOST_ARMS, rng)
    texts, group, story = arms.text.tolist(), arms.group.to_numpy(), pd.factorize(arms.story)[0]
    trials = arms[["impressions", "clicks"]].to_numpy(np.float64)
    successes = np.stack([arms.clicks, arms.get("conversions", 0 * arms.clicks)], axis=1).astype(np.float64)
    rate = successes.sum(0).clip(min=1) / trials.sum(0).clip(min=2)
    base = np.log(rate / (1 - rate))
    model = PairwiseEffect((float(base[0]), float(base[1])), [], [])
    views = [_Features(view, texts, config) for view in VIEWS]
    tables = [features(texts) for features in views]
    kernels = [(table @ table.T).toarray() for table in tables]
    stories = int(story.max()) + 1
    for member in range(config.members):
        view = member % len(VIEWS)
        drawn = rng.multinomial(stories, np.full(stories, 1 / stories))[story]
        heads = [_solve(kernels[view], trials[:, h], successes[:, h], group, drawn, config) for h in range(2)]
        model.features.append(views[view])
        model.weights.append(np.asarray(tables[view].T @ np.stack(heads, axis=1)))
        progress(1)
    return model


def _solve(
    kernel: Array, trials: Array, successes: Array, group: NDArray[np.int64], drawn: NDArray, config: PairwiseConfig
) -> Array:
    """Dual weights, zero for texts not drawn; a text drawn k times has k times the evidence."""
    out = np.zeros(len(trials))
    kept = np.flatnonzero((drawn > 0) & (trials > 0))
    if not len(kept) or not successes[kept].any():
        return out
    group = pd.factorize(group[kept])[0]
    effect, weight = effects(trials[kept], successes[kept], group)
    noise = (1 / weight + config.idiosyncratic) / drawn[kept]
    observed = kernel[np.ix_(kept, kept)] + FREE * (group[:, None] == group[None]) + np.diag(noise)
    out[kept] = cho_solve(cho_factor(observed, lower=True, overwrite_a=True, check_finite=False), effect)
    return out
