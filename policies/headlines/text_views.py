"""Ways of reading a headline: each turns texts into columns of numbers, and learns how from training texts alone.

Rows of a view have a length of about 1, so that one number, the prior variance of what the view accounts for, says how
far it may move a prediction.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.preprocessing import normalize

from ...simulation.text.encoder import tokens
from ...simulation.text.ngrams import Ngrams

Array = NDArray[np.float64]

_PIECE = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d[\d,.]*|[^\w\s]")


View = Callable[[Sequence[str]], Array]
"""From n texts to columns a regression can weigh, [n, columns]."""
SparseView = Callable[[Sequence[str]], csr_matrix]
"""The same, where most are zero."""


class Skeleton:
    """How a headline is built, whatever it is about: frequent words stay, others keep an ending or their capitals."""

    def __init__(self, texts: Sequence[str], frequent: int = 1000) -> None:
        """Takes the frequent words of texts."""
        count = Counter(word for text in texts for word in set(tokens(text)))
        self.frequent = frozenset(word for word, _ in count.most_common(frequent))

    @classmethod
    def of(cls, frequent: Iterable[str]) -> "Skeleton":
        """With these frequent words."""
        again = cls.__new__(cls)
        again.frequent = frozenset(frequent)
        return again

    def __call__(self, text: str) -> list[str]:
        """Pieces of the skeleton, marks of punctuation and of both ends included."""
        return ["<start>", *(self._piece(piece) for piece in _PIECE.findall(text)), "<end>"]

    def _piece(self, piece: str) -> str:
        lower = piece.lower()
        if lower in self.frequent or not piece[0].isalnum():
            return lower
        if piece[0].isdigit():
            return "<number>"
        return "<CAPITALS>" if piece.isupper() and len(piece) > 1 else f"<{lower[-2:]}>"


def _share(words: str) -> Callable[[str, list[str]], float]:
    chosen = frozenset(words.split())
    return lambda _, found: sum(word in chosen for word in found) / max(len(found), 1)


def _mark(pattern: str) -> Callable[[str, list[str]], float]:
    found = re.compile(pattern)
    return lambda text, _: float(bool(found.search(text)))


STYLE: Mapping[str, Callable[[str, list[str]], float]] = {
    "characters, log": lambda text, _: float(np.log1p(len(text))),
    "words, log": lambda _, found: float(np.log1p(len(found))),
    "far from 13 words": lambda _, found: float(np.log1p(len(found)) - np.log(14)) ** 2,
    "letters a word": lambda _, found: sum(map(len, found)) / max(len(found), 1),
    "sentences": lambda text, _: float(len(re.findall(r"[.!?…]+(?=\s|$)", text))),
    "repeated words": lambda _, found: 1 - len(set(found)) / max(len(found), 1),
    "capitalised words": lambda text, _: sum(w[0].isupper() for w in text.split()) / max(len(text.split()), 1),
    "a word in capitals": _mark(r"\b[A-Z]{2,}\b"),
    "a question": _mark(r"\?"),
    "an exclamation": _mark(r"!"),
    "an ellipsis": _mark(r"\.\.|…"),
    "quotation marks": _mark(r"[\"“”]"),
    "a colon": _mark(":"),
    "a dash": _mark(r"[-–—]"),
    "brackets": _mark(r"[(\[]"),
    "asterisks": _mark(r"\*"),
    "a number": _mark(r"\d"),
    "a number first": _mark(r"^\W*\d"),
    "a full stop at the end": _mark(r"\.\W*$"),
    "commas a character": lambda text, _: text.count(",") / max(len(text), 1),
    "I, we": _share("i me my mine we us our i'm i've we're"),
    "you": _share("you your yours you're you'll you've"),
    "he": _share("he him his he's"),
    "she": _share("she her hers she's"),
    "they": _share("they them their they're"),
    "this, that": _share("this these that those that's"),
    "it": _share("it its it's"),
    "who, what, why": _share("who what why how when where which what's here's"),
    "negation": _share("not no never nothing don't can't won't isn't doesn't didn't"),
    "a, an": _share("a an"),
    "the": _share("the"),
    "and, but": _share("and but or if because so then"),
    "to be": _share("is are was were be been"),
    "may, will": _share("will would could should might may can"),
    "emphasis": _share("just really very so most actually totally ever"),
}
"""Features of style by name, from a text and its words in lower case; English words find nothing in other languages."""


class Style:
    """The features of `STYLE`, standardised on training texts and cut at three standard deviations."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Takes means and spreads of texts."""
        table = self._table(texts)
        self.mean, self.spread = table.mean(0), table.std(0) + 1e-6

    def __call__(self, texts: Sequence[str]) -> Array:
        """[n, features]."""
        standard = (self._table(texts) - self.mean) / self.spread
        return np.clip(standard, -3, 3) / len(STYLE) ** 0.5

    @staticmethod
    def _table(texts: Sequence[str]) -> Array:
        words = [[word.replace("’", "'") for word in tokens(text)] for text in texts]
        return np.array([[f(t, w) for f in STYLE.values()] for t, w in zip(texts, words, strict=True)], dtype=float)


class Vectors:
    """Vectors that were computed beforehand by a model that never saw a click; their main directions."""

    def __init__(
        self, texts: Sequence[str], of: Callable[[Sequence[str]], Array], columns: int, name: str = ""
    ) -> None:
        """Takes the mean and the main directions of the texts' vectors.

        Args:
            texts: to learn from.
            of: [n, width] vectors of texts.
            columns: directions to keep.
            name: by which an encoder gives these vectors.
        """
        self.of, self.name = of, name
        vectors = of(texts)
        self.mean = vectors.mean(0)
        centred = unit(vectors - self.mean)
        self.directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :columns]

    def __call__(self, texts: Sequence[str]) -> Array:
        """[n, columns]: unit vectors, turned to the main directions."""
        return unit(self.of(texts) - self.mean) @ self.directions


class Alike:
    """How alike a text is to landmarks: features whose products are a radial kernel of other views, as Nystroem has it.

    exp((cos - 1) / scale^2), the cosine over all views together (Williams and Seeger, 2001). A sum of similarities can
    bend where a sum of words cannot.
    """

    def __init__(
        self, texts: Sequence[str], views: Sequence[View], seed: int, landmarks: int = 700, scale: float = 0.7
    ) -> None:
        """Draws landmarks from texts."""
        self.views, self.scale = views, scale
        drawn = np.random.default_rng(seed).permutation(len(texts))[:landmarks]
        chosen: list[str] = [str(texts[i]) for i in drawn]
        self.landmarks = [unit(view(chosen)) for view in views]
        values, vectors = np.linalg.eigh(self._kernel(chosen))
        self.turn = vectors / np.sqrt(np.maximum(values, 1e-6))

    def __call__(self, texts: Sequence[str]) -> Array:
        """[n, landmarks]."""
        return self._kernel(texts) @ self.turn

    def _kernel(self, texts: Sequence[str]) -> Array:
        cosine = np.zeros((len(texts), self.landmarks[0].shape[0]))
        for view, landmarks in zip(self.views, self.landmarks, strict=True):
            cosine += unit(view(texts)) @ landmarks.T
        return np.exp((cosine / len(self.views) - 1) / self.scale**2)


class Remembered:
    """A view that keeps what it made of the last few lists of texts: several members ask for the same."""

    def __init__(self, view: View, kept: int = 3) -> None:
        """Wraps a view."""
        self.view, self._kept = view, kept
        self._answers: dict[tuple[str, ...], Array] = {}

    def __call__(self, texts: Sequence[str]) -> Array:
        """What the view makes of texts."""
        key = tuple(texts)
        if key not in self._answers:
            self._answers[key] = self.view(texts)
            for old in list(self._answers)[: -self._kept]:
                del self._answers[old]
        return self._answers[key]


def unit(rows: Array) -> Array:
    """Rows of length 1; zero stays zero."""
    return normalize(rows)


def ngram_views(texts: Sequence[str]) -> dict[str, SparseView]:
    """N-grams of skeletons, that are there or not, and of characters, by tf-idf; learned from training texts.

    N-grams of words beside them add nothing: skeletons keep the frequent ones, characters see the rest.
    """
    rare = 2 if len(texts) < 500 else 3
    there: dict[str, Any] = {"binary": True, "use_idf": False, "norm": None, "min_df": rare}
    return {
        "skeletons": Ngrams(texts, cut=Skeleton(texts), lowercase=False, ngram_range=(1, 3), **there),
        "characters": Ngrams(texts, analyzer="char_wb", ngram_range=(2, 5), min_df=rare, sublinear_tf=True),
    }
