"""Warm start: supervised fine-tuning of the writer on reference ads, before any reward is seen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from ...simulation.data.catalog import EVERYONE, Catalog, Creative, fill
from ...simulation.data.errors import InputError
from ...simulation.text.characters import characters
from ..writer.prompts import prompt
from ..writer.writer import Writer, load_weights, own_weights
from .adapters import AdapterConfig, adapted
from .rates import fitting_rate, is_large
from .supervised import Learner, nats_a_token

FILLS = 8
"""Times that every phrase is filled for each time that an ad comes by, for a writer that begins from nothing: what
recurs in many ads is learned well, what is said once comes out garbled by a writer so small.
"""
LINES, LINES_OF_LARGE = 24_000, 3_000
APART = 10
"""One product in so many is held out: its ads are not learned from."""
LEAST = 20
"""Products with ads without which none is held out."""
LOOKS = 24
"""Looks at the loss on what is held out, at even steps."""
SEEN = 128
"""Ads that a look reads, at most, and no more than were learned from since the last: the same ones every time, spread
over what is held out."""
FROM_NOTHING, PRETRAINED, LARGE = 1.2e-3, 5e-4, 5e-5
"""Learning rates of a writer that begins from nothing, of a small one that has read, and of a large one."""


@dataclass(frozen=True)
class WarmStartConfig:
    """How the writer is fine-tuned."""

    lines: int | None = None
    """Ad lines it is trained on, at most; the catalog's ads come round as often as that takes. By default 24,000, and
    3,000 for a writer of 50 million weights or more, which learns the more from each."""
    batch: int = 16
    learning_rate: float | None = None
    """Peak of a cosine schedule; by default 0.0012 for a writer that begins from nothing, 0.0005 for one that was
    pretrained, and for an adapter of one of 50 million weights or more."""
    weight_decay: float = 0.01
    max_length: int = 256
    """Tokens of prompt and ad together; what is longer is cut."""
    patience: int = 3
    """Looks at ads of products that are held out without a lower loss after which it ends; the best look is kept. A
    writer that begins from nothing needs them all, and holds out none."""

    def __post_init__(self) -> None:
        if self.batch < 1 or (self.lines is not None and self.lines < self.batch):
            raise InputError(f"warm start on {self.lines} lines in batches of {self.batch}: give at least one batch")
        if self.patience < 1:
            raise InputError(f"warm start: patience {self.patience}; give 1 or more")


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
        The loss that it ends with, in nats a token: on what is held out, or of the last tenth where nothing is.

    Raises:
        InputError: no ad keeps the writer's limit of characters, or none may be learned from.
    """
    fits = _fitting(writer, fit_to_say)
    # A writer that begins from nothing has to read a title before it can say it: nothing of it is held out.
    ads = [ad for ad in catalog.ads if fits(ad)]
    learned, away = split_ads(catalog, ads) if writer.pretrained else (ads, [])
    if not learned:
        most = writer.config.max_characters
        raise InputError(
            f"none of {len(catalog.ads)} reference ads may be learned from: they claim what the catalog does not "
            f"support, or a rule refuses them{'' if most is None else f', or have over {most} characters'}; add what "
            "they claim to the attributes, or other ads, or give --reward.claims flag or --rules none"
        )
    generator = torch.Generator().manual_seed(seed)
    apart = {ad.product_id for ad in away}

    def fresh(random: np.random.Generator) -> list[Creative]:
        """Phrases, filled; a writer that was pretrained knows how to name a product, and learns from ads alone."""
        filled = (ad for _ in range(0 if writer.pretrained else FILLS) for ad in _fresh_ads(catalog, random))
        return [ad for ad in filled if ad.product_id not in apart and fits(ad)]

    batches = _batches(catalog, learned, fresh, config.batch, generator, seed)
    asked = ((_asked(catalog, batch, audiences, generator), [ad.text for ad in batch]) for batch in batches)
    steps = (config.lines or (LINES_OF_LARGE if is_large(writer) else LINES)) // config.batch
    with torch.random.fork_rng(devices=[writer.device] if writer.device.type == "cuda" else []):
        torch.manual_seed(seed)
        # Of a large writer an adapter learns, as when it is tuned.
        with adapted(writer, AdapterConfig(), steps=steps, seed=seed):
            return _learn(writer, islice(asked, steps), steps, _HeldOut(writer, catalog, away, config, steps), progress)


def _learn(
    writer: Writer,
    batches: Iterator[tuple[list[str], list[str]]],
    steps: int,
    held: "_HeldOut",
    progress: Callable[[int, float], None],
) -> float:
    """Learns from batches of prompts and texts until they end, or until what is held out says that it is enough."""
    config, losses = held.config, []
    small = PRETRAINED if writer.pretrained else FROM_NOTHING
    rate = fitting_rate(config.learning_rate, writer, small=small, large=LARGE)
    learner = Learner(writer, steps, rate, weight_decay=config.weight_decay, longest=config.max_length)
    for step, (prompts, texts) in enumerate(batches):
        losses.append(learner.learn(prompts, texts))
        progress(len(texts), losses[-1])
        if (step + 1) * LOOKS // steps > step * LOOKS // steps and held.has_enough():
            break
    return held.keep_best() if held.texts else float(np.mean(losses[-max(1, steps // 10) :]))


def split_ads(catalog: Catalog, ads: Sequence[Creative]) -> tuple[list[Creative], list[Creative]]:
    """Ads to learn from, and those of one product in ten, to see whether what was learned holds for others."""
    products = list(dict.fromkeys(ad.product_id for ad in ads))
    apart = set(products[APART - 1 :: APART]) if len(products) >= LEAST else set[str]()
    parts: tuple[list[Creative], list[Creative]] = ([], [])
    for ad in ads:
        parts[ad.product_id in apart].append(ad)
    return parts


def _fitting(writer: Writer, fit_to_say: Callable[[Creative], bool]) -> Callable[[Creative], bool]:
    """Which ads may be learned from: those that keep the writer's limit, too."""
    most = writer.config.max_characters
    return lambda ad: (most is None or characters(ad.text) <= most) and fit_to_say(ad)


class _HeldOut:
    """The loss on ads of products that nothing is learned from, and the weights with the lowest."""

    def __init__(
        self, writer: Writer, catalog: Catalog, ads: Sequence[Creative], config: WarmStartConfig, steps: int
    ) -> None:
        self.writer, self.config = writer, config
        most = max(1, min(SEEN, steps * config.batch // LOOKS))
        seen = ads[:: -(-len(ads) // most)] if ads else ads
        self.prompts, self.texts = [prompt(catalog[ad.product_id]) for ad in seen], [ad.text for ad in seen]
        self.losses = [self._loss()] if ads else []
        self.best = own_weights(writer)

    @torch.no_grad()
    def _loss(self) -> float:
        tokens, total = 0, 0.0
        for i in range(0, len(self.texts), 64):
            asked, texts = self.prompts[i : i + 64], self.texts[i : i + 64]
            n = sum(map(len, self.writer.answer_ids(asked, texts)))
            total += n * float(nats_a_token(self.writer, asked, texts, self.config.max_length))
            tokens += n
        return total / tokens

    def has_enough(self) -> bool:
        """Looks once more; whether so many looks brought nothing lower."""
        if not self.texts:
            return False
        self.losses.append(self._loss())
        if self.losses[-1] == min(self.losses):
            self.best = own_weights(self.writer)
        return len(self.losses) - 1 - self.losses.index(min(self.losses)) >= self.config.patience

    def keep_best(self) -> float:
        """Gives the writer the weights of the lowest loss, and says what that is."""
        load_weights(self.writer, self.best)
        return min(self.losses)


def _batches(
    catalog: Catalog,
    known: Sequence[Creative],
    fresh: Callable[[np.random.Generator], list[Creative]],
    size: int,
    generator: torch.Generator,
    seed: int,
) -> Iterator[list[Creative]]:
    """Batches without end: known ads and freshly filled phrases, in random order, those of like length together."""
    random = np.random.default_rng(seed)
    while True:
        ads = [*known, *fresh(random)]
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
