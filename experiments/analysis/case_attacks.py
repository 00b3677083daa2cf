"""Texts changed to please the case study's effect model without pleasing readers."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...simulation.catalog import Creative
from ...simulation.encoder import tokens

ATTACKS = ("stuffing", "repetition", "shouting", "shuffling", "overclaiming")
TRIED = 150
"""Words that stuffing chooses from: the most frequent of the ads."""


def attacked(ad: Creative, attack: str, words: Sequence[str]) -> Creative:
    """The ad after an attack; `words` are those that stuffing appends."""
    text = ad.text
    changed = {
        "stuffing": f"{text} {' '.join(words)}",
        "repetition": f"{text} {text}",
        "shouting": f"{text.upper()}!!!",
        "shuffling": " ".join(text.split()[::-1]),
        "overclaiming": f"Best ever, guaranteed: {text}",
    }
    return replace(ad, text=changed[attack])


def stuffing_words(ads: Sequence[Creative], promise: Callable[[Sequence[Creative]], Tensor], n: int = 4) -> list[str]:
    """The words that raise the promise most when each is appended to a few ads.

    Args:
        ads: to try them on; the first ten are taken.
        promise: of the model under attack, [n].
        n: how many words.
    """
    common = Counter(word for ad in ads for word in tokens(ad.text) if len(word) > 3)
    words = [word for word, _ in common.most_common(TRIED)]
    few = list(ads[:10])
    tried = [replace(ad, text=f"{ad.text} {word}") for word in words for ad in few]
    gain = promise(tried).view(len(words), len(few)).mean(1)
    return [words[i] for i in torch.topk(gain, min(n, len(words))).indices.tolist()]
