"""Why a text is predicted what it is: by leaving out its words, one by one, and how it is put."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...simulation.data.catalog import Creative, Product
from .contract import TextEffect
from .model import EffectModel

MARKS = re.compile(r"[!?…\"“”:;*()\[\]–—]|\.\.+")
"""Marks; full stops, commas and apostrophes are nobody's reason."""
SENTENCE = re.compile(r"(?<=[.!?…])[\"”']?\s+(?=\S)")


def _lower(text: str) -> str:
    """Capitals only at the start."""
    return text[:1] + text[1:].lower()


def _unmarked(text: str) -> str:
    return " ".join(MARKS.sub(" ", text).split())


FORMS: Mapping[str, Callable[[str], str]] = {
    "(capitals)": _lower,
    "(marks)": _unmarked,
    "(all but the first sentence)": lambda text: SENTENCE.split(text)[0],
}
"""Ways of putting a text, and the text without them."""


def left_out(text: str, kept: Collection[str] = ()) -> dict[str, str]:
    """The text without each of its words, a word that stands twice both times, and without each of `FORMS` it has.

    Args:
        text: whose variants are wanted.
        kept: words, in lower case, that no variant is without.

    Returns:
        By what is left out. What would leave nothing is not there.
    """
    words = text.split()
    names = {word.strip(".,!?…:;\"“”'‘’()[]*") for word in words} - {""}
    free = sorted((name for name in names if name.lower() not in kept), key=text.index)
    found = {f"'{name}'": _without(words, name) for name in free}
    forms = {name: form(text) for name, form in FORMS.items()}
    return {name: left for name, left in (found | forms).items() if left.strip() and left != text}


def _without(words: list[str], name: str) -> str:
    return " ".join(word for word in words if word.strip(".,!?…:;\"“”'‘’()[]*") != name)


def reasons(
    texts: Sequence[str],
    log_rates: Callable[[Sequence[str], Sequence[int]], NDArray[np.float64]],
    most: int = 3,
    kept: Sequence[Collection[str]] | None = None,
) -> list[list[tuple[str, float]]]:
    """What moves each text's rate most.

    Args:
        texts: n of them.
        log_rates: logarithms of rates of any texts, and which of the n each is a variant of.
        most: reasons a text.
        kept: by text, words that are nobody's reason, see `left_out`.

    Returns:
        For each text pairs of what it is (a word, 'capitals', ...) and by how much it raises the rate, relative; the
        strongest first.
    """
    variants = [left_out(text, own) for text, own in zip(texts, kept or [()] * len(texts), strict=True)]
    changed = [(text, i) for i, own in enumerate(variants) for text in own.values()]
    before = log_rates(texts, range(len(texts))) if len(texts) else np.zeros(0)
    after = log_rates(*zip(*changed, strict=True)) if changed else np.zeros(0)
    gains = iter(np.expm1(before[[i for _, i in changed]] - after) if changed else [])
    found = [{name: float(next(gains)) for name in own} for own in variants]
    return [_strongest(list(own.items()), most) for own in found]


def reasons_of_ads(
    effect: TextEffect, creatives: Sequence[Creative], value: float, most: int = 3
) -> list[list[tuple[str, float]]]:
    """`reasons` of what ads are worth to a model: clicks an impression, a conversion worth `value` of them.

    A product's title and brand are no reasons where the model knows products: its ads cannot do without. A picture is
    one, over its product's first.
    """

    def log_worth(texts: Sequence[str], of: Sequence[int]) -> NDArray[np.float64]:
        changed = [replace(creatives[i], text=text) for text, i in zip(texts, of, strict=True)]
        return effect.predict(changed).worth(value).mean(0).double().log().numpy()

    named = [_name(effect.catalog[ad.product_id]) if isinstance(effect, EffectModel) else set() for ad in creatives]
    found = reasons([creative.text for creative in creatives], log_worth, most, named)
    seen = _pictured(effect, creatives, value)
    return [_strongest([*own, *picture], most) for own, picture in zip(found, seen, strict=True)]


def _pictured(effect: TextEffect, creatives: Sequence[Creative], value: float) -> list[list[tuple[str, float]]]:
    """By how much each creative's picture raises its worth over its product's first picture; nothing beside that."""
    first = [replace(creative, image="") for creative in creatives]
    at = [i for i, creative in enumerate(creatives) if creative.image]
    found: list[list[tuple[str, float]]] = [[] for _ in creatives]
    if at:
        asked = [creatives[i] for i in at] + [first[i] for i in at]
        worth, without = effect.predict(asked).worth(value).mean(0).double().chunk(2)
        for i, gain in zip(at, (worth / without - 1).tolist(), strict=True):
            found[i] = [("(picture)", gain)] if abs(gain) > 1e-6 else []
    return found


def _strongest(found: list[tuple[str, float]], most: int) -> list[tuple[str, float]]:
    return sorted(found, key=lambda pair: -abs(pair[1]))[:most]


def _name(product: Product) -> set[str]:
    return {word.lower() for word in f"{product.title} {product.brand}".split()}
