"""A learned reader of breaches: how much a text reads like copy that people would not publish.

Hashed n-grams of characters and words, and logistic regression on them; one model for English, one for Chinese
(Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009). It flags, and refuses nothing.
What it learned from, and how often it errs: `train_classifier.py`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...simulation.data.errors import InputError
from ...simulation.data.tensor_file import load_tensors, save_tensors
from .normalise import folded

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SHIPPED = Path(__file__).parent / "weights" / "breaches.safetensors"
KIND, FORMAT_VERSION = "breach classifier", 1
LANGUAGES = ("en", "zh")
CHARACTERS, WORDS = 2**15, 2**13
"""Columns that n-grams of characters, and of words, are hashed into."""
REMEDY = "make it again with `python -m copybandit.policies.compliance.train_classifier`"


@dataclass(frozen=True)
class Model:
    """Logistic regression for one language."""

    weights: NDArray[np.float32]
    """[columns] of `features`."""
    bias: float
    threshold: float
    """Probability from which a text is flagged."""

    def probabilities(self, rows: "csr_matrix") -> NDArray[np.float64]:
        """[n] for rows of `features`."""
        logits = np.asarray(rows @ self.weights.astype(np.float64)) + self.bias
        return 1 / (1 + np.exp(-logits))


class Classifier:
    """Reads texts in the languages that it has a model of."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        """Takes a model for each language, see `LANGUAGES`."""
        self.models = dict(models)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """[n] how surely each text reads like a breach; NaN where its letters are of no language that is read.

        Breaches and good lines weigh the same in it: it is no share among the ads of a shop.
        """
        found, languages = np.full(len(texts), np.nan), np.array([language_of(text) for text in texts], dtype=object)
        for language, model in self.models.items():
            at = languages == language
            if at.any():
                part = [text for text, mine in zip(texts, at, strict=True) if mine]
                found[at] = model.probabilities(features(part, language))
        return found

    def flags(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """[n] whether a person should look at each text."""
        return self.probabilities(texts) >= self.bounds(texts)  # NaN is not

    def bounds(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """[n] probability from which each text is flagged; infinite in a language that is not read."""
        thresholds = {language: model.threshold for language, model in self.models.items()}
        return np.array([thresholds.get(language_of(text), np.inf) for text in texts], dtype=np.float64)

    def save(self, path: Path, card: Mapping[str, Any]) -> None:
        """Writes what `load` reads: weights in 16 bits; `card` says what they were learned from."""
        tensors = {
            name: torch.from_numpy(model.weights.astype(np.float16)) for name, model in sorted(self.models.items())
        }
        facts = {n: {"bias": m.bias, "threshold": m.threshold} for n, m in sorted(self.models.items())}
        facts |= {"learned from": dict(card)}
        save_tensors(path, tensors, facts, kind=KIND, format_version=FORMAT_VERSION)

    @classmethod
    def load(cls, path: Path) -> "Classifier":
        """What `save` wrote.

        Raises:
            InputError: no such file, or one that is torn, altered or of another kind.
        """
        tensors, facts = load_tensors(path, kind=KIND, format_version=FORMAT_VERSION, remedy=REMEDY, finite=True)
        if any(len(one) != columns(name) for name, one in tensors.items()):
            raise InputError(f"{path}: holds weights of other features; {REMEDY}")
        return cls({name: Model(one.float().numpy(), **facts[name]) for name, one in tensors.items()})


@cache
def shipped() -> Classifier:
    """The classifier that comes with Copybandit, read once."""
    return Classifier.load(SHIPPED)


def language_of(text: str) -> str:
    """`zh` where a text holds Chinese, else `en` where it holds Latin letters, else empty."""
    if re.search(r"[\u3400-\u4dbf\u4e00-\u9fff]", text):
        return "zh"
    return "en" if re.search("[A-Za-z]", text) else ""


def columns(language: str) -> int:
    """Columns of `features`: Chinese has no borders of words, so none of words."""
    return CHARACTERS + (WORDS if language == "en" else 0)


def features(texts: Sequence[str], language: str) -> "csr_matrix":
    """[n, columns] n-grams of folded texts: 1 + log of how often each stands there, each sort of length 1.

    Characters, 2 to 5 within words (Chinese: 1 to 4 across), and words, 1 to 2.
    """
    # Takes a second to import; only what reads texts pays for it.
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.preprocessing import normalize

    plain = {"norm": None, "alternate_sign": False, "lowercase": False}
    if language == "en":
        sorts = [
            HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), n_features=CHARACTERS, **plain),
            HashingVectorizer(token_pattern=r"[^\s.,;:!?]+", ngram_range=(1, 2), n_features=WORDS, **plain),
        ]
    else:
        sorts = [HashingVectorizer(analyzer="char", ngram_range=(1, 4), n_features=CHARACTERS, **plain)]
    seen, parts = [folded(text).text for text in texts], []
    for sort in sorts:
        counts = sort.transform(seen)
        counts.data = 1 + np.log(counts.data)
        parts.append(normalize(counts))
    return csr_matrix(hstack(parts))
