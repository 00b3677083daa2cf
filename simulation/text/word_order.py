"""Whether the words of a text stand in an order that a language would put them in."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from .encoder import tokens

DISCOUNT = 0.75
"""Taken off every count of a pair and given to pairs that were never seen (absolute discounting, Ney et al. 1994)."""


class WordOrder:
    """Finds texts whose neighbouring words do not call for each other.

    The measure is the mean over pairs of ln p(word | the word before) - ln p(word), by a bigram model with absolute
    discounting. Common words in any order have high p(word), so a likelihood would not tell them from a sentence; this
    difference does. Words that the corpus does not have are passed over.
    """

    def __init__(self, corpus: Sequence[str], tolerance: float = 1.5) -> None:
        """Counts pairs; what is usual is taken on texts held out from the count.

        Args:
            corpus: texts in the language.
            tolerance: deviations below the usual that are not strange yet.
        """
        self._tolerance = tolerance
        self._count(corpus[::2])
        usual = [self.association(text) for text in corpus[1::2] or corpus]
        self._mean, self._deviation = float(np.mean(usual)), max(float(np.std(usual)), 0.05)
        self._count(corpus)

    def read(self, texts: Sequence[str]) -> Tensor:
        """[n] disorder: 0 for usual texts, rising to 1 within a deviation below what is tolerated."""
        found = torch.tensor([self.association(text) for text in texts], dtype=torch.float32)
        return ((self._mean - found) / self._deviation - self._tolerance).clamp(0, 1)

    def association(self, text: str) -> float:
        """The measure of one text, in nats a pair; 0 where no word is known."""
        gains = []
        words = _bounded(text)
        for before, word in pairwise(words):
            if word in self._words and before in self._before:
                alone = self._words[word] / self._total
                seen, kinds = self._before[before], self._followers[before]
                given = (max(self._pairs[before, word] - DISCOUNT, 0) + DISCOUNT * kinds * alone) / seen
                gains.append(np.log(given / alone))
        return float(np.mean(gains)) if gains else 0.0

    def _count(self, corpus: Sequence[str]) -> None:
        lines = [_bounded(text) for text in corpus]
        self._pairs = Counter(pair for line in lines for pair in pairwise(line))
        self._words = Counter(word for line in lines for word in line[1:])
        self._before = Counter(word for line in lines for word in line[:-1])
        self._followers = Counter(before for before, _ in self._pairs)
        self._total = sum(self._words.values())


def _bounded(text: str) -> list[str]:
    return ["", *tokens(text), ""]
