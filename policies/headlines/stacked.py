"""The effect model of an archive where sentence vectors are read: the stack of `model.py`, our best predictor.

On three splits of the Upworthy archive, 3,200 headlines learned from, it explains 17 to 25% of the true variance
between headlines of unseen stories, `pairwise.py` 7 to 12%; by n-grams alone it is no better than that (7 to 15%).
Clicks are predicted by the stack and by its weights learned without each fold of the stories, whose spread says where
evidence is thin. Conversions, which an archive has not and the world makes up, are left to the ridge regressions of
`pairwise.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from ...simulation.archive.contrasts import Array, agreement
from ...simulation.data.catalog import Creative
from ..effect.contract import CLICK, Prediction
from .encoder import Encoder
from .model import fit_headline_model
from .pairwise import PairwiseConfig, PairwiseEffect, fit_pairwise_effect
from .stack import read_by
from .text_views import SparseView, View
from .view_state import state_of, views_of

LEAST_TRUST = 0.1
"""Of what the stack predicts, where it foretold nothing of stories held out: an order of texts is left."""


@dataclass
class StackedEffect:
    """Predicts what texts add to clicks and conversions; reads nothing but the text. See `fit_stacked_effect`."""

    views: Mapping[str, View | SparseView]
    weights: Mapping[str, Array]
    """[columns, M] of each view: log-odds of a click a unit."""
    conversions: PairwiseEffect
    """M members; its clicks are not used."""
    encoder: str = ""
    """Name of the vectors that views are made of, see `Encoder.name`; empty for none."""

    def predict(self, creatives: Sequence[Creative]) -> Prediction:
        """Predicts texts; the context is the archive's average, as a new story's level is not known."""
        texts = [creative.text for creative in creatives]
        clicks = np.sum([view(texts) @ self.weights[name] for name, view in self.views.items()], axis=0)
        predicted = self.conversions.predict(creatives)
        text = predicted.text.clone()
        text[..., CLICK] = torch.from_numpy(np.asarray(clicks).T).to(text)
        return replace(predicted, text=text)

    def state(self) -> dict[str, Any]:
        """All that was learned."""
        return {
            "views": state_of(self.views),
            "weights": dict(self.weights),
            "conversions": self.conversions.state(),
            "encoder": self.encoder,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any], device: torch.device | str = "cpu") -> "StackedEffect":
        """What `state` said.

        Raises:
            InputError: it reads sentence vectors, and their encoder is not installed.
        """
        encoder = Encoder.named(state["encoder"], device)
        views = views_of(state["views"], None if encoder is None else encoder.layer)
        return cls(views, state["weights"], PairwiseEffect.restored(state["conversions"]), state["encoder"])


def fit_stacked_effect(
    arms: pd.DataFrame,
    encoder: Encoder | None = None,
    *,
    seed: int = 0,
    progress: Callable[[int], None] = lambda n: None,
) -> StackedEffect:
    """Learns from groups of an archive.

    Args:
        arms: `Archive.contrasts`, with `impressions`, `clicks` and, if there are any, `conversions`.
        encoder: of sentence vectors, if there is one.
        seed: draws the folds of stories and the members of conversions.
        progress: called with 1 after the stack, and after each member of conversions.

    Raises:
        InputError: fewer than two stories.
    """
    views, config = read_by(arms.text.tolist(), encoder, seed)
    fit = fit_headline_model(arms, views, config, seed=seed)
    trust = max(agreement(arms, fit.unseen).slope, LEAST_TRUST)
    weights = {name: trust * found for name, found in fit.ensemble.items()}
    progress(1)
    members = next(iter(weights.values())).shape[1]
    conversions = fit_pairwise_effect(arms, PairwiseConfig(members=members), seed=seed, progress=progress)
    return StackedEffect(fit.model.views, weights, conversions, "" if encoder is None else encoder.name)
