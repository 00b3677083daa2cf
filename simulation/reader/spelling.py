"""Which words are spelled as words are: a list of known ones in a Bloom filter, and their inflections."""

from collections.abc import Iterable
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

BITS = 2**20
HASHES = 4
"""With 90,000 words seven in a thousand others pass for known (Bloom, Communications of the ACM 1970)."""
ENDINGS = (
    ("'s", ""), ("s'", "s"), ("ies", "y"), ("es", ""), ("s", ""), ("ied", "y"), ("ed", ""), ("ed", "e"),
    ("ing", ""), ("ing", "e"), ("er", ""),
    ("er", "e"), ("est", ""), ("est", "e"), ("ier", "y"), ("iest", "y"),
    ("ly", ""), ("ily", "y"), ("n't", ""), ("'re", ""), ("'ll", ""), ("'ve", ""), ("'d", ""), ("'m", ""),
    ("less", ""), ("ness", ""),
)  # fmt: skip
"""Endings and what stands in their place in the list; a doubled consonant before one is halved too."""


def bloom_filter(words: Iterable[str]) -> Tensor:
    """[2^17] uint8: the filter of words in lower case."""
    bits = np.zeros(BITS, dtype=np.uint8)
    for word in words:
        bits[_places(word)] = 1
    return torch.from_numpy(np.packbits(bits))


class Spelling:
    """Knows words of a filter and those that are made of them by an ending."""

    def __init__(self, bloom: Tensor) -> None:
        """Takes what `bloom_filter` made."""
        self._bits = np.unpackbits(bloom.numpy())
        self._found: dict[str, bool] = {}

    def knows(self, word: str) -> bool:
        """Whether a word in lower case is known; single letters are."""
        if word not in self._found:
            self._found[word] = len(word) < 2 or self._listed(word) or any(map(self._listed, _stems(word)))
        return self._found[word]

    def _listed(self, word: str) -> bool:
        return bool(self._bits[_places(word)].all())


def _places(word: str) -> list[int]:
    first, step = crc32(word.encode()), crc32(f"{word}|".encode()) | 1
    return [(first + i * step) % BITS for i in range(HASHES)]


def _stems(word: str) -> list[str]:
    found = []
    for ending, instead in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) > 1:
            stem = word[: -len(ending)]
            found.append(stem + instead)
            if len(stem) > 3 and stem[-1] == stem[-2]:
                found.append(stem[:-1])
    return found
