"""Best-of-n: write several texts for each that is kept, and let the reward pick."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..simulation.catalog import Creative, Product
from .reward import RewardFunction
from .writer import Writer

SCORED = 192
"""Texts scored at once: novelty is against those of the same batch, as it is while tuning."""


def best_of(
    writer: Writer,
    asked: Sequence[tuple[Product, str]],
    kept: int,
    written: int,
    reward: RewardFunction,
    generator: torch.Generator,
) -> list[Creative]:
    """Writes `kept` creatives a prompt, those of one prompt together, each the best of `written` by the reward.

    Args:
        writer: what proposes.
        asked: products and audiences.
        kept: creatives a prompt that are returned.
        written: texts for each of them; with 1 nothing is scored.
        reward: what picks; it is asked `kept * written` times a prompt.
        generator: as in `Writer.write`.
    """
    products, audiences = zip(*asked, strict=True)
    texts = writer.write(products, audiences, kept * written, generator=generator)
    if written == 1:
        return texts
    place = torch.arange(len(texts)) // written
    size = max(1, SCORED // written) * written
    parts = zip(_parts(texts, size), place.split(size), strict=True)
    total = torch.cat([reward(some, group).total for some, group in parts])
    return [texts[i] for i in best_rows(total, written).tolist()]


def choice_kl(written: int) -> float:
    """Most nats a text that choosing the best of so many moves the writer: log n - (n - 1) / n (Beirami et al., arXiv
    2401.01879).
    """
    return math.log(written) - (written - 1) / written


def best_rows(total: Tensor, written: int) -> Tensor:
    """Row of the largest of every `written` values that follow each other, [n / written]; of equals the first."""
    table = total.view(-1, written)
    return table.argmax(1) + torch.arange(len(table), device=total.device) * written


def _parts(texts: Sequence[Creative], size: int) -> list[Sequence[Creative]]:
    return [texts[i : i + size] for i in range(0, len(texts), size)]
