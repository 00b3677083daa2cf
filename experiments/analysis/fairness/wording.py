"""Words that texts for one audience have oftener than texts for another, of the same products.

If the audience changes nothing, what was written for one product is exchangeable between audiences: they are permuted
within each product (Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 3rd ed. 2005). So what a product
is called cannot be taken for a difference, nor can texts of one prompt that are alike, which stay together. The
statistic of a word is Pearson's chi-squared of the texts that have it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ....simulation.data.strict_yaml import read_strict_yaml
from ..statistics.bootstrap import Array

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
FEW = 5
"""Texts that must have a word, and texts that must not, for it to be tested."""
PERMUTATIONS = 4999
MOST_PAIRS = 8
"""Words that are shown in two texts."""


@dataclass(frozen=True)
class Wordings:
    """Which of V words each of N texts has."""

    words: tuple[str, ...]
    has: Array
    """[N, V] 0 or 1."""


def words_of(text: str) -> list[str]:
    """Its words in lower case."""
    return [word.lower() for word in WORD.findall(text)]


def wordings(texts: Sequence[str], few: int = FEW) -> Wordings:
    """Words that `few` texts or more have, and as many have not."""
    sets = [set(words_of(text)) for text in texts]
    known = sorted(set().union(*sets)) if sets else []
    has = np.array([[word in own for word in known] for own in sets], dtype=np.float64).reshape(len(sets), len(known))
    count = has.sum(0)
    kept = (count >= few) & (count <= len(texts) - few)
    return Wordings(tuple(np.array(known, dtype=object)[kept]), has[:, kept])


def chi_squared(observed: Array, texts: Array) -> Array:
    """Pearson's chi-squared of each word's 2 x A table: [A, V] texts that have it, of [A] texts -> [V].

    With n_a texts, o_a of which have the word, and p = sum o / sum n: sum (o_a - n_a p)^2 / (n_a p (1 - p)).
    """
    n, share = texts[:, None], observed.sum(0) / texts.sum()
    return ((observed - n * share) ** 2 / n).sum(0) / (share * (1 - share))


def benjamini_hochberg(p: Array) -> Array:
    """Adjusted p-values that control the false discovery rate (Benjamini and Hochberg, JRSS B 57, 1995).

    The i-th smallest of m is multiplied by m / i, and none may exceed a larger one's.
    """
    order, m = np.argsort(p), len(p)
    adjusted = np.minimum.accumulate((p[order] * m / np.arange(1, m + 1))[::-1])[::-1]
    out = np.empty(m)
    out[order] = adjusted.clip(max=1.0)
    return out


def homogeneity(
    cells: Array, each: int, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> tuple[Array, float]:
    """Tests whether audiences have words alike: audiences are permuted within each product.

    Args:
        cells: [P, A, V] how many texts for each product and audience have which words.
        each: texts for each product and audience.
        rng: permutes.
        permutations: how many.

    Returns:
        [V] p-value of each word, and that of the sum over all words.
    """
    products, audiences, words = cells.shape
    texts = np.full(audiences, float(products * each))
    found, row = chi_squared(cells.sum(0), texts), np.arange(products)[:, None]
    above, above_all = np.ones(words), 1
    for _ in range(permutations):
        order = rng.random((products, audiences)).argsort(1)
        drawn = chi_squared(cells[row, order].sum(0), texts)
        above += drawn >= found - 1e-9
        above_all += drawn.sum() >= found.sum() - 1e-9
    return above / (permutations + 1), above_all / (permutations + 1)


@cache
def sensitive_words() -> Mapping[str, str]:
    """By word of words.yaml: what it is about."""
    listed = read_strict_yaml(Path(__file__).with_name("words.yaml"))
    return {str(word): str(about) for about, words in listed.items() for word in words}


def compared(
    texts: Sequence[tuple[str, str, str]], kinds: Mapping[str, str], rng: np.random.Generator, level: float = 0.05
) -> dict[str, Any]:
    """What summary.json says of texts for the same products and several audiences.

    Args:
        texts: product, audience and text, as many for every product and audience.
        kinds: by word, what it appeals to.
        rng: permutes.
        level: false discovery rate.
    """
    products, audiences = (list(dict.fromkeys(row[place] for row in texts)) for place in (0, 1))
    group, product = (
        np.array([names.index(row[place]) for row in texts]) for place, names in ((1, audiences), (0, products))
    )
    found = wordings([text for _, _, text in texts])
    base = {"products": len(products), "each": len(texts) // (len(products) * len(audiences)), "audiences": audiences}
    if not found.words:
        return base | {"tested": 0, "p": 1.0, "differs": [], "pairs": []}
    cells = np.zeros((len(products), len(audiences), len(found.words)))
    np.add.at(cells, (product, group), found.has)
    p, overall = homogeneity(cells, base["each"], rng)
    q, share = benjamini_hochberg(p), cells.sum(0) / (len(products) * base["each"])
    sensitive, differs = sensitive_words(), []
    known = [(found.words[v] not in sensitive, found.words[v] not in kinds, v) for v in np.flatnonzero(q <= level)]
    for *_, v in sorted(known, key=lambda row: (*row[:2], q[row[2]], -np.ptp(share[:, row[2]]))):
        word, most, least = found.words[v], audiences[int(share[:, v].argmax())], audiences[int(share[:, v].argmin())]
        differs.append(
            {
                "word": word,
                "kind": sensitive.get(word) or kinds.get(word, ""),
                "sensitive": word in sensitive,
                "share": dict(zip(audiences, share[:, v].tolist(), strict=True)),
                "most": most,
                "least": least,
                "p": float(p[v]),
                "q": float(q[v]),
            }
        )
    pairs = [pair for row in differs[:MOST_PAIRS] if (pair := _pair(texts, row)) is not None]
    return base | {"tested": len(found.words), "p": overall, "differs": differs, "pairs": pairs}


def _pair(texts: Sequence[tuple[str, str, str]], row: Mapping[str, Any]) -> dict[str, Any] | None:
    """A text that has a word, and one for the same product and the audience that is told it least that has not."""
    with_, without = {}, {}
    for product, audience, text in texts:
        has = row["word"] in words_of(text)
        if audience == row["most"] and has:
            with_.setdefault(product, text)
        if audience == row["least"] and not has:
            without.setdefault(product, text)
    for product in with_:
        if product in without:
            told = {"most": (row["most"], with_[product]), "least": (row["least"], without[product])}
            texts_of = {end: {"audience": audience, "text": text} for end, (audience, text) in told.items()}
            return {"product": product, "word": row["word"], **texts_of}
    return None
