"""The corpus: prompts and lines for products that do not exist, stories and headlines, and what a teacher wrote."""

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...simulation.data.catalog import EVERYONE, Product
from ...simulation.data.errors import InputError
from ..writer.prompts import prompt
from .grammar import headline, lines
from .invent import Invented, invent
from .words_files import pick, words

HEADLINES = 0.08
"""Share of the corpus that is stories and their headlines."""
PHRASED = 0.35
"""Share of a product's lines that are phrases for any product, which speak of price, newness, ease and such."""
SHOWN = (0.05, 0.15, 0.45, 0.2, 0.15)
"""How often a prompt shows 0, 1, 2, 3 and 4 attributes: the writer shows two, and may come to show more."""


class Line(NamedTuple):
    """An answer, and the prompt that asks for it."""

    prompt: str
    text: str


def corpus(products: int, lines_each: int, seed: int, taught: Sequence[Line] = ()) -> list[Line]:
    """Makes the corpus; the same seed makes the same one.

    Args:
        products: to be invented.
        lines_each: lines of the grammar for each.
        seed: of everything.
        taught: lines that a language model wrote, see `taught.py`.
    """
    random = np.random.default_rng(seed)
    found = {line.text: line for line in _grammar(products, lines_each, random)}
    for _ in range(int(products * lines_each * HEADLINES)):
        story, head = headline(random)
        found[head] = Line(prompt(Product("story", story, "news", 0.0)), head)
    found |= {line.text: line for line in taught}
    return list(found.values())


def _grammar(products: int, lines_each: int, random: np.random.Generator) -> Iterator[Line]:
    for number in range(products):
        made = invent(number, random)
        for _ in range(2):
            shown, audience = ask(random)
            asked = prompt(made.product, audience, shown)
            phrased = round(PHRASED * lines_each / 2)
            for text in islice(lines(made, shown, audience, random), max(1, lines_each // 2 - phrased)):
                yield Line(asked, text)
            for text in islice(lines(made, shown, audience, random, phrases=True), phrased):
                yield Line(asked, text)


def ask(random: np.random.Generator) -> tuple[int, str]:
    """How many attributes a prompt shows, and whom it is for: half of the times for everyone."""
    shown = int(random.choice(len(SHOWN), p=SHOWN))
    return shown, EVERYONE if random.random() < 0.5 else pick(words("audiences"), random)


def held_out(corpus: Sequence[Line], share: float) -> tuple[list[Line], list[Line]]:
    """Learned from and held out: no product is in both."""
    asked = list(dict.fromkeys(line.prompt.partition(" | ")[0] for line in corpus))
    away = set(asked[:: max(2, round(1 / share))])
    parts: tuple[list[Line], list[Line]] = ([], [])
    for line in corpus:
        parts[line.prompt.partition(" | ")[0] in away].append(line)
    return parts


def write_taught(path: Path, rows: Iterable[dict[str, object]]) -> None:
    """Adds rows to a compressed file of JSON lines."""
    with gzip.open(path, "at", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def read_taught(path: Path) -> list[Line]:
    """Reads what a teacher wrote.

    Raises:
        InputError: no such file, or it was not written by `write_taught`.
    """
    return [Line(str(row["prompt"]), str(row["text"])) for row in read_rows(path) if row.get("text")]


def read_rows(path: Path) -> list[dict[str, object]]:
    """All rows of a file of `write_taught`; a last one that was cut off is left out.

    Raises:
        InputError: as above.
    """
    rows: list[dict[str, object]] = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for row in file:
                rows.append(json.loads(row))
    except EOFError:
        return rows
    except (OSError, ValueError):
        raise InputError(f"{path}: not a compressed file of lines; give what `pretrain --teacher` left") from None
    return rows


def invented(seed: int, first: int, count: int) -> list[Invented]:
    """Products of a seed, by number: the same whatever was invented before."""
    return [invent(number, np.random.default_rng([seed, number])) for number in range(first, first + count)]
