"""Which views of a headline the effect model reads, and how they are put together into members of its stack.

Variances were chosen by cross-validation within the exploratory part of the Upworthy archive, on other splits than
those reported; a member's scale and its weight in the stack are learned anew from every training set.
"""

from collections.abc import Sequence

from .sentence_encoder import SentenceVectors
from .text_views import Alike, Vectors, View, ngram_views

Members = dict[str, dict[str, float]]

NGRAMS = ("words", "characters", "skeleton")
DRAWS = 3
"""Sets of landmarks: members that differ in nothing else are averaged, for what is chance in their choice to cancel."""
RADIAL, LINEAR = 0.1, 0.008
"""Prior variances of log-odds of what radial and linear views account for."""


def read_by(
    texts: Sequence[str], encoder: SentenceVectors | None = None, seed: int = 0
) -> tuple[dict[str, View], Members]:
    """Views learned from training texts, and the members that read them.

    Args:
        texts: of the training tests.
        encoder: sentence vectors, if there are any.
        seed: draws landmarks.
    """
    views = ngram_views(texts)
    members: Members = {"n-grams": dict.fromkeys((*NGRAMS, "style"), LINEAR)}
    sources = [views[name] for name in NGRAMS]
    for draw in range(DRAWS):
        views[f"alike in n-grams {draw}"] = Alike(texts, sources, seed + draw)
        members[f"alike in n-grams {draw}"] = {f"alike in n-grams {draw}": RADIAL, "style": LINEAR}
    if encoder is None:
        return views, members
    for name in (*encoder.means, *encoder.firsts):
        views[name] = Vectors(texts, encoder.named(name), 256)
    means = [views[name] for name in encoder.means]
    low, middle = encoder.means[0], encoder.means[len(encoder.means) // 2 + 1]
    members["sentence vectors"] = {low: LINEAR, middle: LINEAR, "words": LINEAR / 2, "style": LINEAR / 8}
    for draw in range(DRAWS):
        views[f"alike in vectors {draw}"] = Alike(texts, means, seed + draw)
        members[f"alike in vectors {draw}"] = {f"alike in vectors {draw}": RADIAL}
    both = [*(views[name] for name in encoder.firsts), views[low], means[len(means) // 2]]
    views["alike in first tokens"] = Alike(texts, both, seed + DRAWS)
    members["alike in first tokens"] = {"alike in first tokens": RADIAL}
    return views, members
