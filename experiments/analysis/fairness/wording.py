"""Words that texts for one audience have oftener than texts for another, of the same products.

Texts of one product are exchangeable between audiences if the audience changes nothing: audiences are permuted among
them (Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 3rd ed. 2005), so that what a product is called
cannot be taken for a difference. The statistic of a word is Pearson's chi-squared of the texts that have it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def chi_squared(has: Array, groups: Array) -> Array:
    """Pearson's chi-squared of each word's 2 x G table: [N, V] and [N, G] memberships -> [V].

    With n_g texts, o_g of which have the word, and p = sum o / sum n: sum (o_g - n_g p)^2 / (n_g p (1 - p)).
    """
    n, observed = groups.sum(0)[:, None], groups.T @ has
    share = has.mean(0)
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
    has: Array,
    group: NDArray[np.int64],
    stratum: NDArray[np.int64],
    rng: np.random.Generator,
    permutations: int = PERMUTATIONS,
) -> tuple[Array, float]:
    """Tests whether groups have words alike, within strata.

    Args:
        has: [N, V] which texts have which words.
        group: [N] audience of each text.
        stratum: [N] product of each text: groups are permuted within it.
        rng: permutes.
        permutations: how many.

    Returns:
        [V] p-value of each word, and that of the sum over all words.
    """
    order = np.argsort(stratum, kind="stable")
    has, group, stratum = has[order], group[order], stratum[order]
    kinds = np.eye(int(group.max()) + 1)
    found = chi_squared(has, kinds[group])
    above, above_all = np.ones(has.shape[1]), 1
    for _ in range(permutations):
        # Sorting by stratum and then at random shuffles within strata, which lie side by side.
        drawn = chi_squared(has, kinds[group[np.lexsort((rng.random(len(group)), stratum))]])
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
    p, overall = homogeneity(found.has, group, product, rng)
    q, share = benjamini_hochberg(p), np.stack([found.has[group == g].mean(0) for g in range(len(audiences))])
    sensitive, differs = sensitive_words(), []
    first = [(found.words[v] not in sensitive, q[v], -np.ptp(share[:, v]), v) for v in np.flatnonzero(q <= level)]
    for *_, v in sorted(first):
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
