"""N-grams of few texts: what a vocabulary is made of where hardly anything is said twice."""

from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer


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
