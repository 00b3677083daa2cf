"""Warm start: supervised fine-tuning of the writer on reference ads, before any reward is seen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from ...simulation.data.catalog import EVERYONE, Catalog, Creative, fill
from ...simulation.data.errors import InputError
from ...simulation.text.characters import characters
from .supervised import Learner
from .writer import Writer, prompt

FILLS = 8
"""Times that every phrase is filled for each time that an ad comes by: what recurs in many ads is learned well, what is
said once comes out garbled by a writer this small.
"""


@dataclass(frozen=True)
class WarmStartConfig:
    """How the writer is fine-tuned."""

    lines: int = 24_000
    """Ad lines it is trained on; the catalog's ads come round as often as that takes."""
    batch: int = 16
    learning_rate: float = 1.2e-3
    """Peak of a cosine schedule; a pretrained model wants 2e-5 to 1e-4."""
    weight_decay: float = 0.01
    max_length: int = 128
    """Tokens of prompt and ad together; what is longer is cut."""

    def __post_init__(self) -> None:
        if self.lines < self.batch or self.batch < 1:
            raise InputError(f"warm start on {self.lines} lines in batches of {self.batch}: give at least one batch")


def warm_start(
    writer: Writer,
    catalog: Catalog,
    audiences: Sequence[str],
    config: WarmStartConfig,
    *,
    seed: int,
    fit_to_say: Callable[[Creative], bool] = lambda creative: True,
    progress: Callable[[int, float], None] = lambda lines, loss: None,
) -> float:
    """Fine-tunes the writer in place on the catalog's ads; the loss is on the ad alone, not on the prompt.

    Reference ads name no audience, so half of the times they are given to everyone and half to a segment drawn at
    random: the untuned writer knows the words but has no idea yet who likes what.

    Args:
        writer: its model is trained.
        catalog: its ads and phrases are the text.
        audiences: that prompts may name.
        config: how long and how fast.
        seed: of order and audiences.
        fit_to_say: which ads may be learned from; the others are left out.
        progress: called after every batch with its number of lines and its loss in nats a token.

    Returns:
        The mean loss of the last tenth.

    Raises:
        InputError: no ad keeps the writer's limit of characters, or none may be learned from.
    """
    most = writer.config.max_characters

    def fits(ad: Creative) -> bool:
        return (most is None or characters(ad.text) <= most) and fit_to_say(ad)

    ads = [ad for ad in catalog.ads if fits(ad)]
    if not ads:
        raise InputError(
            f"none of {len(catalog.ads)} reference ads may be learned from: they claim what the catalog does not "
            f"support{'' if most is None else f', or have over {most} characters'}; add what they claim to the "
            "attributes, or short ads, or give --reward.claims flag"
        )
    generator = torch.Generator().manual_seed(seed)
    steps, losses = config.lines // config.batch, []
    learner = Learner(writer, steps, config.learning_rate, weight_decay=config.weight_decay, longest=config.max_length)
    with torch.random.fork_rng(devices=[writer.device] if writer.device.type == "cuda" else []):
        torch.manual_seed(seed)
        for batch in islice(_batches(catalog, ads, fits, config.batch, generator, seed), steps):
            losses.append(learner.learn(_asked(catalog, batch, audiences, generator), [ad.text for ad in batch]))
            progress(len(batch), losses[-1])
    return float(np.mean(losses[-max(1, steps // 10) :]))


def _batches(
    catalog: Catalog,
    known: Sequence[Creative],
    fits: Callable[[Creative], bool],
    size: int,
    generator: torch.Generator,
    seed: int,
) -> Iterator[list[Creative]]:
    """Batches without end: known ads and freshly filled phrases that fit, in random order, those of like length
    together.
    """
    random = np.random.default_rng(seed)
    while True:
        ads = [*known, *(ad for _ in range(FILLS) for ad in _fresh_ads(catalog, random) if fits(ad))]
        for window in torch.randperm(len(ads), generator=generator).split(8 * size):
            alike = sorted(window.tolist(), key=lambda i: len(ads[i].text))
            batches = torch.tensor(alike).split(size)
            for i in torch.randperm(len(batches), generator=generator).tolist():
                yield [ads[j] for j in batches[i].tolist()]


def _fresh_ads(catalog: Catalog, random: np.random.Generator) -> list[Creative]:
    """Every phrase once, for a product drawn at random: this is how a small writer learns to name what it is given."""
    products = random.integers(len(catalog), size=len(catalog.phrases))
    chosen = [catalog.products[i] for i in products]
    return [
        Creative(product.product_id, fill(phrase, product, random))
        for phrase, product in zip(catalog.phrases, chosen, strict=True)
    ]


def _asked(
    catalog: Catalog, ads: Sequence[Creative], audiences: Sequence[str], generator: torch.Generator
) -> list[str]:
    """A prompt for each ad: half of them for everyone."""
    choices = [EVERYONE, *audiences]
    pick = torch.randint(2 * len(choices), (len(ads),), generator=generator) - len(choices)
    return [prompt(catalog[ad.product_id], choices[i]) for ad, i in zip(ads, pick.clamp(min=0).tolist(), strict=True)]
