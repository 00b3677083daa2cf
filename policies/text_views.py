"""Ways of reading a headline: each turns texts into columns of numbers, and learns how from training texts alone.

Rows of a view have a length of about 1, so that one number, the prior variance of what the view accounts for, says how
far it may move a prediction.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from ..simulation.encoder import tokens

Array = NDArray[np.float64]

_PIECE = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d[\d,.]*|[^\w\s]")


class View(Protocol):
    """A fitted way of reading."""

    def __call__(self, texts: Sequence[str]) -> Array:
        """[n, columns]."""
        ...


class Ngrams:
    """Tf-idf of n-grams, reduced by latent semantic analysis (Deerwester et al., 1990)."""

    def __init__(self, texts: Sequence[str], columns: int, **tfidf: object) -> None:
        """Learns the vocabulary and the main directions of texts."""
        self._tfidf = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **tfidf)  # pyright: ignore[reportArgumentType]
        table = self._tfidf.fit_transform(texts)
        columns = min(columns, min(table.shape) - 1)
        self._svd = TruncatedSVD(columns, random_state=0, n_iter=3).fit(table)
        self._mean = self._svd.transform(table).mean(0)

    def __call__(self, texts: Sequence[str]) -> Array:
        """[n, columns] float64."""
        return (self._svd.transform(self._tfidf.transform(texts)) - self._mean).astype(np.float64)


class Skeleton:
    """How a headline is built, whatever it is about: frequent words stay, others keep an ending or their capitals."""

    def __init__(self, texts: Sequence[str], frequent: int = 200) -> None:
        """Takes the frequent words of texts."""
        count = Counter(word for text in texts for word in set(tokens(text)))
        self._frequent = {word for word, _ in count.most_common(frequent)}

    def __call__(self, text: str) -> list[str]:
        """Pieces of the skeleton, marks of punctuation and of both ends included."""
        return ["<start>", *(self._piece(piece) for piece in _PIECE.findall(text)), "<end>"]

    def _piece(self, piece: str) -> str:
        lower = piece.lower()
        if lower in self._frequent or not piece[0].isalnum():
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

    def __init__(self, texts: Sequence[str], of: Callable[[Sequence[str]], Array], columns: int) -> None:
        """Takes the mean and the main directions of the texts' vectors.

        Args:
            texts: to learn from.
            of: [n, width] vectors of texts.
            columns: directions to keep.
        """
        self._of = of
        vectors = of(texts)
        self._mean = vectors.mean(0)
        centred = unit(vectors - self._mean)
        self._directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :columns]

    def __call__(self, texts: Sequence[str]) -> Array:
        """[n, columns]: unit vectors, turned to the main directions."""
        return unit(self._of(texts) - self._mean) @ self._directions


class Alike:
    """How alike a text is to landmarks: features whose products are a radial kernel of other views, as Nystroem has it.

    exp((cos - 1) / scale^2), the cosine over all views together (Williams and Seeger, 2001). A sum of similarities can
    bend where a sum of words cannot.
    """

    def __init__(
        self, texts: Sequence[str], views: Sequence[View], seed: int, landmarks: int = 800, scale: float = 0.7
    ) -> None:
        """Draws landmarks from texts."""
        self._views, self._scale = views, scale
        drawn = np.random.default_rng(seed).permutation(len(texts))[:landmarks]
        self._landmarks = self._together([texts[i] for i in drawn])
        values, vectors = np.linalg.eigh(self._kernel(self._landmarks))
        self._turn = vectors / np.sqrt(np.maximum(values, 1e-6))

    def __call__(self, texts: Sequence[str]) -> Array:
        """[n, landmarks]."""
        return self._kernel(self._together(texts)) @ self._turn

    def _together(self, texts: Sequence[str]) -> Array:
        return np.concatenate([unit(view(texts)) for view in self._views], axis=1) / len(self._views) ** 0.5

    def _kernel(self, rows: Array) -> Array:
        return np.exp((rows @ self._landmarks.T - 1) / self._scale**2)


class Remembered:
    """A view that keeps the rows of texts it has read."""

    def __init__(self, view: View) -> None:
        """Wraps a view."""
        self._view = view
        self._rows: dict[str, Array] = {}

    def __call__(self, texts: Sequence[str]) -> Array:
        """[n, columns]."""
        new = list(dict.fromkeys(text for text in texts if text not in self._rows))
        if new:
            self._rows.update(zip(new, self._view(new), strict=True))
        return np.stack([self._rows[text] for text in texts])


def unit(rows: Array) -> Array:
    """Rows of length 1; zero stays zero."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def ngram_views(texts: Sequence[str], columns: int = 300) -> dict[str, View]:
    """The built-in views, learned from training texts: words, characters, skeleton, style."""
    rare = 2 if len(texts) < 500 else 3
    words = Ngrams(texts, columns, tokenizer=tokens, token_pattern=None, ngram_range=(1, 2), min_df=rare)
    characters = Ngrams(texts, columns, analyzer="char_wb", ngram_range=(2, 5), min_df=rare + 2, max_features=30_000)
    skeleton = Ngrams(
        texts,
        columns,
        tokenizer=Skeleton(texts),
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, 3),
        min_df=rare + 2,
    )
    views: dict[str, View] = {"words": words, "characters": characters, "skeleton": skeleton, "style": Style(texts)}
    return {name: Remembered(view) for name, view in views.items()}
