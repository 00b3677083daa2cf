"""A teacher: a pretrained model that learns what copy is from a few good lines, then writes for invented products."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...simulation.data.catalog import EVERYONE, Catalog, Creative, Product
from ...simulation.data.files import check_folder, write_folder, write_whole
from ...simulation.scenario import load_scenario
from ..compliance.claims import Claims
from ..learning.warm_start import WarmStartConfig, warm_start
from ..writer.prompts import SHOWN_ATTRIBUTES, prompt, shown_attributes
from ..writer.writer import Writer, WriterConfig, load_weights, make_writer, own_weights
from .corpus import ask, invented, read_rows, write_taught
from .grammar import lines
from .words_files import words

HEAD = "An ad for a product:\n"
"""Read before a line that is scored, so that its first word has a context."""
LIKELY = 0.85
"""What the teacher wrote is kept if it is as likely as this share of the lines that it learned from."""
SCORED = 400
"""Of those lines, drawn at random."""
LESSONS = ("shop", "travel", "health", "feed", "support")
"""Scenarios whose reference ads it learns from."""
INVENTED = 300
"""Products of the grammar that it learns from, `EACH_LEARNED` lines each."""
EACH_LEARNED = 2
EACH = 6
"""Lines that it writes for a product."""
BATCH = 12
"""Products that it writes for at once."""
SHORTEST = 20
"""Characters of a line that is kept."""
OWN_SEED = 7919
"""Its products are others than the grammar's."""


@dataclass(frozen=True)
class Teacher:
    """A model that has learned what copy is, and what it was before: that judges what is likely."""

    writer: Writer
    before: dict[str, Tensor]
    cut: float
    """Nats a character up to which a line is likely."""


def lesson(seed: int) -> Catalog:
    """What a teacher learns from: reference ads that are true and do not shout, and lines of the grammar."""
    random = np.random.default_rng([OWN_SEED, seed])
    chosen: list[tuple[Product, str]] = []
    for name in LESSONS:
        catalog = load_scenario(name)[1]
        chosen += [(catalog[ad.product_id], ad.text) for ad in catalog.ads if _exemplary(ad, catalog)]
    for made in invented(OWN_SEED - 1 - seed, 0, INVENTED):
        written = (text for text in lines(made, SHOWN_ATTRIBUTES, EVERYONE, random) if is_true(text, made.product))
        chosen += [(made.product, text) for text in islice(written, EACH_LEARNED)]
    products = [
        Product(f"{i}", p.title, p.category, p.price, p.brand, p.description, p.attributes)
        for i, (p, _) in enumerate(chosen)
    ]
    return Catalog(products, [Creative(f"{i}", text) for i, (_, text) in enumerate(chosen)])


def _exemplary(ad: Creative, catalog: Catalog) -> bool:
    calm = "!!" not in ad.text and not any(word.isupper() and len(word) > 3 for word in ad.text.split())
    return calm and len(ad.text) > SHORTEST and is_true(ad.text, catalog[ad.product_id])


def learn(directory: str, seed: int, kept: Path, epochs: float = 1.5) -> Teacher:
    """A teacher that has learned what copy is.

    Args:
        directory: of a pretrained model, or its Hugging Face name.
        seed: of what it learns from.
        kept: where it is kept once it has learned; if it is there already, it is read.
        epochs: over what it learns from.

    Raises:
        InputError: the model cannot be loaded.
    """
    given = lesson(seed)
    sampling = WriterConfig(max_new_tokens=36, temperature=0.9, top_p=0.95)
    writer = make_writer(given, sampling, seed=seed, model=directory)
    before = own_weights(writer)
    chosen = np.random.default_rng(seed).permutation(len(given.ads))[:SCORED]
    cut = float(np.quantile(nats_a_character(writer, [given.ads[i].text for i in chosen]), LIKELY))
    if kept.is_dir():
        check_folder(kept, "remove it: the teacher learns again")
        load_weights(writer, own_weights(make_writer(given, sampling, seed=seed, model=str(kept))))
    else:
        config = WarmStartConfig(lines=int(epochs * len(given.ads)), batch=16, learning_rate=5e-5, max_length=96)
        warm_start(writer, given, words("audiences"), config, seed=seed)
        write_folder(kept, writer.save)
    return Teacher(writer, before, cut)


def teach(
    teacher: Teacher,
    path: Path,
    *,
    products: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda asked, kept: None,
) -> None:
    """Writes for invented products and adds what is good to a file; goes on where the file ends.

    Args:
        teacher: has learned.
        path: of the file.
        products: how many in all.
        seed: of products and lines.
        progress: told the lines of each batch: written, and kept.
    """
    done = _whole_batches(path) if path.is_file() else 0
    learned, writer = own_weights(teacher.writer), teacher.writer
    for number in range(done, -(-products // BATCH)):
        random = np.random.default_rng([OWN_SEED, seed, number])
        made = [item.product for item in invented(OWN_SEED + seed, number * BATCH, BATCH)]
        audiences = [ask(random)[1] for _ in made]
        generator = torch.Generator().manual_seed(seed * 100_003 + number)
        written = writer.write(made, audiences, EACH, generator=generator)
        asked = [pair for pair in zip(made, audiences, strict=True) for _ in range(EACH)]
        good = {line.text: pair for line, pair in zip(written, asked, strict=True) if is_good(line.text, pair[0])}
        load_weights(writer, teacher.before)
        scores = nats_a_character(writer, list(good))
        load_weights(writer, learned)
        kept = [
            {"batch": number, "prompt": prompt(*pair), "text": text, "nats": round(score, 3)}
            for (text, pair), score in zip(good.items(), scores, strict=True)
            if score <= teacher.cut
        ]
        write_taught(path, kept or [{"batch": number}])
        progress(len(written), len(kept))


def _whole_batches(path: Path) -> int:
    """How many batches of a file are whole; the last, which may have been cut off in writing, is taken out of it."""
    rows = read_rows(path)
    last = max((int(str(row["batch"])) for row in rows), default=0)
    write_whole(path, lambda beside: write_taught(beside, (row for row in rows if int(str(row["batch"])) < last)))
    return last


def is_good(text: str, product: Product) -> bool:
    """Long enough and ended, on its product, and true to what the prompt shows."""
    ended = len(text) > SHORTEST and text[-1] in ".?!" and not any(odd in text for odd in ("!!", "|", "=>"))
    return ended and is_named(product.title, text) and is_true(text, product)


def is_named(title: str, text: str) -> bool:
    """Whether a line has a word of the title, in the singular or the plural."""
    said = {word.rstrip("s") for word in re.findall(r"\w+", text.lower())}
    return any(word.rstrip("s") in said for word in re.findall(r"\w+", title.lower()) if len(word) > 2)


def is_true(text: str, product: Product) -> bool:
    """Whether what a prompt shows of the product supports all that a line claims, and every name in it."""
    shown = replace(product, description="", price=0.0, attributes=tuple(shown_attributes(product)))
    given = prompt(product).lower()
    inner = re.finditer(r"(?<![.?!:\"] )(?<!^)\b[A-Z][\w'&-]+", text)
    named = all(match.group(0).removesuffix("'s").lower() in given for match in inner)
    return named and not Claims(Catalog([shown])).unsupported(Creative(product.product_id, text))


@torch.no_grad()
def nats_a_character(writer: Writer, texts: Sequence[str], batch: int = 32) -> list[float]:
    """How unlikely texts are to a model that is told only that an ad follows."""
    tokenizer, eos = writer.tokenizer, writer.tokenizer.eos_token_id
    head = tokenizer(HEAD)["input_ids"]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = [0.0] * len(texts)
    writer.model.eval()
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        ids = [[*head, *tokenizer(texts[i])["input_ids"]] for i in rows]
        width = max(map(len, ids))
        padded = torch.tensor([row + [eos] * (width - len(row)) for row in ids], device=writer.device)
        log_prob = writer.model(padded).logits[:, len(head) - 1 : -1].float().log_softmax(-1)
        chosen = log_prob.gather(2, padded[:, len(head) :, None]).squeeze(2)
        for row, i, tokens in zip(chosen, rows, ids, strict=True):
            out[i] = -float(row[: len(tokens) - len(head)].sum()) / max(1, len(texts[i]))
    return out
