"""Which views of a headline the effect model reads, and how they are put together into members of its stack.

Variances were chosen by cross-validation within the exploratory part of the Upworthy archive, on other splits of the
same tests as those reported, which flatters mildly; a member's scale and its weight in the stack are learned anew from
every training set.
"""

from collections.abc import Sequence

from .encoder import Encoder
from .layers import LayerVectors
from .model import HeadlineConfig
from .text_views import Alike, Remembered, SparseView, Style, Vectors, View, ngram_views

DRAWS = 3
"""Sets of landmarks: members that differ in nothing else are averaged, for what is chance in their choice to cancel."""
RADIAL, LINEAR, STYLE = 0.1, 0.008, 0.005
"""Prior variances of log-odds of what views account for: similarities, a layer's vectors, features of style."""
PAIRS = {"skeletons": (0.003, 0.006), "characters": (0.5, 1.0)}
"""Prior variances of the weight of an n-gram to choose from, by view, for the members that learn from pairs."""


def read_by(
    texts: Sequence[str], encoder: Encoder | None = None, seed: int = 0
) -> tuple[dict[str, View | SparseView], HeadlineConfig]:
    """Views learned from training texts, and the members that read them.

    Args:
        texts: of the training tests.
        encoder: vectors of texts, if there are any.
        seed: draws landmarks.
    """
    views: dict[str, View] = {}
    members: dict[str, dict[str, float]] = {}
    for source in () if encoder is None else encoder.sources:
        if source.firsts:
            _read_sentences(texts, source, seed, views, members)
        else:
            _read_language_model(texts, source, seed, views, members)
    return {**ngram_views(texts), **views}, HeadlineConfig(members, PAIRS)


Views = dict[str, View]
Members = dict[str, dict[str, float]]


def _layers(texts: Sequence[str], source: LayerVectors) -> Views:
    names = (*source.means, *source.firsts)
    return {name: Remembered(Vectors(texts, source.named(name), 256, name)) for name in names}


def _read_sentences(texts: Sequence[str], source: LayerVectors, seed: int, views: Views, members: Members) -> None:
    layers = _layers(texts, source)
    low, middle = source.means[0], source.means[len(source.means) // 2]
    for draw in range(DRAWS):
        name = f"alike in vectors {draw}"
        views[name] = Alike(texts, [layers[mean] for mean in source.means], seed + draw)
        members[name] = {name: RADIAL}
    views["alike in first tokens"] = Alike(
        texts, [layers[name] for name in (low, middle, *source.firsts)], seed + DRAWS
    )
    members["alike in first tokens"] = {"alike in first tokens": RADIAL}
    views["style"] = Remembered(Style(texts))
    views |= {name: layers[name] for name in {low, middle}}
    members["sentence vectors"] = dict.fromkeys(sorted({low, middle}), LINEAR) | {"style": STYLE / 5}


def _read_language_model(texts: Sequence[str], source: LayerVectors, seed: int, views: Views, members: Members) -> None:
    layers = _layers(texts, source)
    for draw in range(DRAWS - 1):
        name = f"alike in a language model {draw}"
        views[name] = Alike(texts, list(layers.values()), seed + 10 + draw)
        members[name] = {name: RADIAL}
