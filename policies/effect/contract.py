"""What every model of what a text does has in common: it predicts creatives, and says what it learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ...simulation.data.catalog import Creative

CLICK, CONVERT = 0, 1
"""Index of the two heads."""


@dataclass(frozen=True)
class Prediction:
    """What the ensemble of M members predicts for n creatives; both heads: [M, n, 2] logits, click and convert."""

    context: Tensor
    """The part of product, segment and a typical place."""
    text: Tensor
    """The part of the text."""

    @property
    def rates(self) -> Tensor:
        """[n, 2] mean probabilities over members: CTR and CVR."""
        return self.by_member.mean(0)

    @property
    def by_member(self) -> Tensor:
        """[M, n, 2] probabilities: CTR and CVR."""
        return torch.sigmoid(self.context + self.text)

    def worth(self, value: float) -> Tensor:
        """[M, n] clicks an impression, a conversion worth `value` of them."""
        rates = self.by_member
        return rates[..., CLICK] * (1 + value * rates[..., CONVERT])


class TextEffect(Protocol):
    """An ensemble that predicts what texts do. The reward asks it, and nobody else is asked in the gold's place."""

    def predict(self, creatives: Sequence[Creative]) -> Prediction:
        """Predicts n texts."""
        ...

    def state(self) -> dict[str, Any]:
        """All that was learned, as arrays and what JSON holds; `effect/effect_file.py` writes it."""
        ...
