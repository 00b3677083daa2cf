"""N-grams of texts: what every model of a text's words reads. What was learned is numbers and names, to be kept."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

Cut = Callable[[str], list[str]]
"""From a text to its pieces, in order."""


class Ngrams:
    """N-grams of texts, weighed by tf-idf, sparse. The vocabulary is learned from texts."""

    def __init__(self, texts: Sequence[str], *, cut: Cut | None = None, **tfidf: Any) -> None:
        """Learns the vocabulary of texts; rare n-grams are left out, unless that leaves none.

        Args:
            texts: to learn from. Where they have no n-gram at all (marks alone, say), there is one column, always zero.
            cut: makes the pieces that n-grams are of; without it scikit-learn's analyzer does.
            tfidf: for scikit-learn's `TfidfVectorizer`, as JSON holds it.
        """
        self.cut, self._settings = cut, tfidf
        self._tfidf = fit_ngrams(_vectorizer(cut, tfidf), texts)

    def __call__(self, texts: Sequence[str]) -> csr_matrix:
        """[n, vocabulary]."""
        return csr_matrix(self._tfidf.transform(texts))

    def familiar(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """[n] share of each text's different n-grams that are in the vocabulary; 0 for a text without any."""
        found, known = self._tfidf.build_analyzer(), self._tfidf.vocabulary_
        sets = [set(found(text)) for text in texts]
        return np.array([sum(ngram in known for ngram in own) / max(len(own), 1) for own in sets], dtype=np.float64)

    def state(self) -> dict[str, Any]:
        """What was learned; how texts are cut is the caller's to keep."""
        ngrams = sorted(self._tfidf.vocabulary_, key=self._tfidf.vocabulary_.__getitem__)
        idf = self._tfidf.idf_ if self._tfidf.use_idf else None
        return {"settings": dict(self._settings), "ngrams": ngrams, "idf": idf}

    @classmethod
    def restored(cls, state: Mapping[str, Any], cut: Cut | None = None) -> "Ngrams":
        """What `state` said, with the same `cut`."""
        again = cls.__new__(cls)
        again.cut, again._settings = cut, dict(state["settings"])
        again._tfidf = _vectorizer(cut, again._settings).set_params(vocabulary=list(state["ngrams"]))
        again._tfidf.fit([""])  # a vocabulary that is given is kept
        if state["idf"] is not None:
            again._tfidf.idf_ = np.asarray(state["idf"], dtype=np.float64)
        return again


def _vectorizer(cut: Cut | None, settings: Mapping[str, Any]) -> TfidfVectorizer:
    own: dict[str, Any] = {} if cut is None else {"tokenizer": cut, "token_pattern": None}
    if "ngram_range" in settings:
        own["ngram_range"] = tuple(settings["ngram_range"])
    return TfidfVectorizer(**{**settings, **own})


def fit_ngrams(vectorizer: TfidfVectorizer, texts: Sequence[str]) -> TfidfVectorizer:
    """Learns the vocabulary of texts, rare n-grams left out; where that leaves none, all are kept.

    Texts without any n-gram (marks alone, say) get one column that is always zero.
    """
    for least in (vectorizer.min_df, 1):
        try:
            return vectorizer.set_params(min_df=least).fit(texts)
        except ValueError:  # scikit-learn's word for a vocabulary that is empty
            continue
    return vectorizer.set_params(vocabulary=["<nothing>"]).fit(texts)
