"""The attack that knows the effect model: words that raise its promise most, chosen against that very model."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ....simulation.data.catalog import Creative
from ....simulation.text.encoder import tokens

TRIED = 150
"""Words that are tried: the most frequent of the ads."""


def with_words(ads: Sequence[Creative], words: Sequence[str]) -> list[Creative]:
    """The ads with words behind them."""
    return [replace(ad, text=f"{ad.text} {' '.join(words)}") for ad in ads]


def chosen_words(ads: Sequence[Creative], promise: Callable[[Sequence[Creative]], Tensor], n: int = 4) -> list[str]:
    """The words that raise the promise most when each is appended to a few ads.

    Args:
        ads: to try them on; the first ten are taken.
        promise: of the model under attack, [n].
        n: how many words.
    """
    common = Counter(word for ad in ads for word in tokens(ad.text) if len(word) > 3)
    words, few = [word for word, _ in common.most_common(TRIED)], list(ads[:10])
    tried = [ad for word in words for ad in with_words(few, [word])]
    gain = promise(tried).view(len(words), len(few)).mean(1)
    return [words[i] for i in torch.topk(gain, min(n, len(words))).indices.tolist()]
