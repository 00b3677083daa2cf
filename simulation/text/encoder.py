"""Text to vectors and to surface features: no download, any language, the same on every machine."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from sklearn.feature_extraction.text import HashingVectorizer
from torch import Tensor

_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+(?:['’][^\W_{_UNSPACED}]+)*")

SURFACE_FEATURES = ("length", "tokens", "upper", "exclamation", "symbols", "digits", "repetition")
"""Names of the columns of `surface_features`."""


def tokens(text: str) -> list[str]:
    """Words in lower case; in scripts written without spaces (Chinese, Japanese, Thai, Lao), single characters."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).lower())


def surface_features(texts: Sequence[str]) -> Tensor:
    """What a text looks like, whatever it says.

    Returns:
        [n, 7] float32 in the order of `SURFACE_FEATURES`: characters; tokens; share of capital letters beyond the
        first of each word; exclamation and question marks; share of characters that are neither letters, digits,
        spaces nor plain punctuation; share of digits; share of tokens that repeat an earlier one.
    """
    return torch.tensor([_surface(text) for text in texts], dtype=torch.float32).reshape(-1, len(SURFACE_FEATURES))


@lru_cache(maxsize=2**16)  # several readers ask for the same texts
def _surface(text: str) -> tuple[float, ...]:
    found = tokens(text)
    letters = sum(character.isalpha() for character in text)
    shouted = sum(character.isupper() for word in text.split() for character in word[1:])
    marks = sum(text.count(mark) for mark in "!?！？")
    symbols = sum(not (character.isalnum() or character.isspace() or character in _PLAIN) for character in text)
    digits = sum(character.isdigit() for character in text)
    size = max(len(text), 1)
    repeated = 1 - len(set(found)) / len(found) if found else 0.0
    return len(text), len(found), shouted / max(letters, 1), marks, symbols / size, digits / size, repeated


_PLAIN = set(".,;:!?'\"’‘“”()-–—/&%$€£¥+，。！？、；：（）《》")


class TextEncoder:
    """Hashed character and word n-grams, projected at random to a unit vector.

    The cosine of two vectors estimates the overlap of the texts' n-grams (Johnson-Lindenstrauss). Encoders of another
    seed or n-gram range see texts differently; nothing is learned and nothing is downloaded.
    """

    def __init__(self, dim: int = 64, seed: int = 0, ngrams: tuple[int, int] = (3, 5), words: bool = False) -> None:
        """Sets up the encoder.

        Args:
            dim: length of the vectors.
            seed: of the random projection.
            ngrams: shortest and longest n-gram.
            words: n-grams of tokens instead of characters.
        """
        self.dim, self.seed = dim, seed
        self._hash = HashingVectorizer(
            n_features=4096,
            analyzer="word" if words else "char_wb",
            tokenizer=tokens if words else None,
            token_pattern=None,
            ngram_range=ngrams,
            norm="l2",
            dtype=np.float32,
        )
        # A numpy generator: its stream is the same on every platform, which torch does not promise.
        self._projection = np.random.default_rng(seed).standard_normal((4096, dim), dtype=np.float32)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Vectors of unit length (zero for an empty text), [n, dim] float32 on the CPU."""
        if not len(texts):
            return torch.zeros(0, self.dim)
        vectors = torch.from_numpy(np.asarray(self._hash.transform(list(texts)) @ self._projection))
        return torch.nn.functional.normalize(vectors, dim=1)
