"""Warm start: supervised fine-tuning of the writer on reference ads, before any reward is seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import get_cosine_schedule_with_warmup

from ..simulation.catalog import EVERYONE, Catalog, Creative, fill
from .writer import Writer, prompt

IGNORED = -100
"""Label of tokens that the loss leaves out: prompts and padding."""


@dataclass(frozen=True)
class WarmStartConfig:
    """How the writer is fine-tuned."""

    epochs: int = 16
    batch: int = 32
    learning_rate: float = 2e-3
    """Peak of a cosine schedule; a pretrained model wants 2e-5 to 1e-4."""
    weight_decay: float = 0.01
    max_length: int = 128


def warm_start(
    writer: Writer,
    catalog: Catalog,
    audiences: Sequence[str],
    config: WarmStartConfig,
    *,
    seed: int,
    progress: Callable[[float], None] = lambda loss: None,
) -> list[float]:
    """Fine-tunes the writer in place on the catalog's ads; the loss is on the ad alone, not on the prompt.

    Reference ads name no audience, so in every epoch half of them are given to everyone and half to a segment drawn at
    random: the untuned writer knows the words but has no idea yet who likes what.

    Returns:
        The mean loss of every epoch, in nats a token.
    """
    generator = torch.Generator().manual_seed(seed)
    random = np.random.default_rng(seed)
    batches = -(-(len(catalog.ads) + len(catalog.phrases)) // config.batch)
    optimizer = torch.optim.AdamW(
        writer.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
    )
    total = config.epochs * batches
    schedule = get_cosine_schedule_with_warmup(optimizer, max(1, total // 20), total)
    losses = []
    with torch.random.fork_rng(devices=[writer.device] if writer.device.type == "cuda" else []):
        torch.manual_seed(seed)
        writer.model.train()
        for _ in range(config.epochs):
            seen, ads = 0.0, [*catalog.ads, *_fresh_ads(catalog, random)]
            for rows in torch.randperm(len(ads), generator=generator).split(config.batch):
                batch = _batch(writer, catalog, [ads[i] for i in rows], audiences, config.max_length, generator)
                ids, mask, labels = batch
                loss = writer.model(input_ids=ids, attention_mask=mask, labels=labels).loss
                loss.backward()
                torch.nn.utils.clip_grad_norm_(writer.model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                seen += float(loss.detach())
            losses.append(seen / batches)
            progress(losses[-1])
        writer.model.eval()
    return losses


def _fresh_ads(catalog: Catalog, random: np.random.Generator) -> list[Creative]:
    """Every phrase once, for a product drawn at random: this is how a small writer learns to name what it is given."""
    products = random.integers(len(catalog), size=len(catalog.phrases))
    chosen = [catalog.products[i] for i in products]
    return [
        Creative(product.product_id, fill(phrase, product, random))
        for phrase, product in zip(catalog.phrases, chosen, strict=True)
    ]


def _batch(
    writer: Writer,
    catalog: Catalog,
    ads: Sequence[Creative],
    audiences: Sequence[str],
    longest: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    choices = [EVERYONE, *audiences]
    pick = torch.randint(2 * len(choices), (len(ads),), generator=generator) - len(choices)
    tokenizer, eos = writer.tokenizer, writer.tokenizer.eos_token_id
    lines, starts = [], []
    for ad, chosen in zip(ads, pick.clamp(min=0).tolist(), strict=True):
        question = tokenizer(prompt(catalog[ad.product_id], choices[chosen]))["input_ids"]
        lines.append((question + tokenizer(f" {ad.text}")["input_ids"] + [eos])[:longest])
        starts.append(len(question))
    width = max(map(len, lines))
    ids = torch.tensor([line + [tokenizer.pad_token_id] * (width - len(line)) for line in lines])
    place = torch.arange(width)[None]
    inside = place < torch.tensor([len(line) for line in lines])[:, None]
    answer = inside & (place >= torch.tensor(starts)[:, None])
    labels = torch.where(answer, ids, IGNORED)
    return ids.to(writer.device), inside.long().to(writer.device), labels.to(writer.device)
