"""A teacher: a pretrained model that learns what copy is from a few good lines, then writes for invented products."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...simulation.data.catalog import Catalog, Creative, Product
from ..writer.warm_start import WarmStartConfig, warm_start
from ..writer.writer import Writer, WriterConfig, load_weights, make_writer, own_weights, prompt
from .corpus import ask, invented, read_rows, write_taught
from .grammar import lines
from .truth import on_product, unsupported

HEAD = "An ad for a product:\n"
"""Read before a line that is scored, so that its first word has a context."""
LIKELY = 0.85
"""What the teacher wrote is kept if it is as likely as this share of the lines that it learned from."""
TEACHER_SEED = 7919
"""Its products are others than the grammar's."""
EACH = 6
"""Lines asked for a product."""


def good_lines(catalogs: Sequence[Catalog], random: np.random.Generator, products: int = 400) -> Catalog:
    """What the teacher learns from: reference ads that are true and do not shout, and lines of the grammar.

    Args:
        catalogs: with reference ads.
        random: draws products and lines.
        products: invented ones, two lines each.
    """
    chosen: list[tuple[Product, str]] = []
    for catalog in catalogs:
        for ad in catalog.ads:
            product = catalog[ad.product_id]
            calm = "!!" not in ad.text and not any(word.isupper() and len(word) > 3 for word in ad.text.split())
            if calm and len(ad.text) > 24 and not unsupported(ad.text, told(product)):
                chosen.append((product, ad.text))
    for made in invented(TEACHER_SEED - 1, 0, products):
        written = lines(made, 2, "everyone", random)
        chosen += [(made.product, text) for text, _ in zip(written, range(2), strict=False)]
    products_by_row = [
        Product(f"{i}", p.title, p.category, p.price, p.brand, p.description, p.attributes)
        for i, (p, _) in enumerate(chosen)
    ]
    return Catalog(products_by_row, [Creative(f"{i}", text) for i, (_, text) in enumerate(chosen)])


def told(product: Product, shown: int = 2) -> str:
    """All that a prompt says of a product."""
    return prompt(product, "", shown)


def learn(directory: str, lesson: Catalog, audiences: Sequence[str], seed: int, epochs: float = 2.0) -> Writer:
    """A teacher that has learned what copy is."""
    writer = make_writer(
        lesson, WriterConfig(max_new_tokens=36, temperature=0.9, top_p=0.95), seed=seed, model=directory
    )
    config = WarmStartConfig(lines=int(epochs * len(lesson.ads)), batch=16, learning_rate=5e-5, max_length=96)
    warm_start(writer, lesson, audiences, config, seed=seed)
    return writer


def teach(
    writer: Writer,
    start: dict[str, Tensor],
    cut: float,
    path: Path,
    *,
    seed: int,
    products: int,
    batch: int = 16,
    progress: Callable[[int, int], None] = lambda asked, kept: None,
) -> None:
    """Writes for invented products and adds what is good to a file; goes on where the file ends.

    Args:
        writer: has learned.
        start: its weights before it learned: they judge what is likely.
        cut: nats a character up to which a line is likely.
        path: of the file.
        seed: of products and lines.
        products: how many in all.
        batch: products at once.
        progress: told lines asked and kept.
    """
    done = max((int(str(row["batch"])) for row in read_rows(path)), default=-1) + 1 if path.is_file() else 0
    learned = own_weights(writer)
    for number in range(done, -(-products // batch)):
        random = np.random.default_rng([TEACHER_SEED, seed, number])
        made = [item.product for item in invented(TEACHER_SEED + seed, number * batch, batch)]
        audiences = [ask(random)[1] for _ in made]
        generator = torch.Generator().manual_seed(seed * 100_003 + number)
        written = writer.write(made, audiences, EACH, generator=generator, batch=batch * EACH)
        asked = [(product, audience) for product, audience in zip(made, audiences, strict=True) for _ in range(EACH)]
        good = {line.text: pair for line, pair in zip(written, asked, strict=True) if is_good(line.text, pair[0])}
        load_weights(writer, start)
        scores = nats_a_character(writer, list(good)) if good else []
        load_weights(writer, learned)
        kept = [
            {"batch": number, "prompt": prompt(*pair), "text": text, "nats": round(score, 3)}
            for (text, pair), score in zip(good.items(), scores, strict=True)
            if score <= cut
        ]
        write_taught(path, kept or [{"batch": number}])
        progress(len(written), len(kept))


def is_good(text: str, product: Product) -> bool:
    """Long enough and ended, on its product, and true to what the prompt shows."""
    ended = len(text) > 20 and text[-1] in ".?!" and "!!" not in text and "|" not in text and "=>" not in text
    return ended and on_product(text, product.title) and not unsupported(text, told(product))


@torch.no_grad()
def nats_a_character(writer: Writer, texts: Sequence[str], batch: int = 32) -> list[float]:
    """How unlikely texts are to a model that is told only that an ad follows."""
    tokenizer, eos = writer.tokenizer, writer.tokenizer.eos_token_id
    head = tokenizer(HEAD)["input_ids"]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = [0.0] * len(texts)
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
