"""Which views of a headline the effect model reads, and how they are put together into members of its stack.

Variances were chosen by cross-validation within the exploratory part of the Upworthy archive, on other splits of the
same tests as those reported, which flatters mildly; a member's scale and its weight in the stack are learned anew from
every training set.
"""

from collections.abc import Sequence

from .model import HeadlineConfig
from .sentence_encoder import SentenceVectors
from .text_views import Alike, Remembered, SparseView, Style, Vectors, View, ngram_views

DRAWS = 3
"""Sets of landmarks: members that differ in nothing else are averaged, for what is chance in their choice to cancel."""
RADIAL, LINEAR, STYLE = 0.1, 0.008, 0.005
"""Prior variances of log-odds of what views account for: similarities, a layer's vectors, features of style."""
PAIRS = {"skeletons": (0.003, 0.006), "characters": (0.5, 1.0)}
"""Prior variances of the weight of an n-gram to choose from, by view, for the members that learn from pairs."""


def read_by(
    texts: Sequence[str], encoder: SentenceVectors | None = None, seed: int = 0, writer: View | None = None
) -> tuple[dict[str, View | SparseView], HeadlineConfig]:
    """Views learned from training texts, and the members that read them.

    Args:
        texts: of the training tests.
        encoder: sentence vectors, if there are any.
        seed: draws landmarks.
        writer: vectors of a writer that learned from these texts, if there is one.
    """
    views: dict[str, View] = {}
    members: dict[str, dict[str, float]] = {}
    if encoder is not None or writer is not None:
        views["style"] = Remembered(Style(texts))
    if writer is not None:
        views["writer"] = Remembered(Vectors(texts, Remembered(writer), 128))
        views["alike in writer"] = Alike(texts, [views["writer"]], seed + DRAWS + 1)
        members["writer"] = {"writer": LINEAR, "alike in writer": RADIAL, "style": STYLE / 5}
    if encoder is not None:
        _read_vectors(texts, encoder, seed, views, members)
    return {**ngram_views(texts), **views}, HeadlineConfig(members, PAIRS)


def _read_vectors(
    texts: Sequence[str],
    encoder: SentenceVectors,
    seed: int,
    views: dict[str, View],
    members: dict[str, dict[str, float]],
) -> None:
    layers = {
        name: Remembered(Vectors(texts, encoder.named(name), 256, name)) for name in (*encoder.means, *encoder.firsts)
    }
    low, middle = encoder.means[0], encoder.means[len(encoder.means) // 2]
    for draw in range(DRAWS):
        name = f"alike in vectors {draw}"
        views[name] = Alike(texts, [layers[mean] for mean in encoder.means], seed + draw)
        members[name] = {name: RADIAL}
    views["alike in first tokens"] = Alike(
        texts, [layers[name] for name in (low, middle, *encoder.firsts)], seed + DRAWS
    )
    members["alike in first tokens"] = {"alike in first tokens": RADIAL}
    views |= {name: layers[name] for name in {low, middle}}
    members["sentence vectors"] = dict.fromkeys(sorted({low, middle}), LINEAR) | {"style": STYLE / 5}
