"""The word lists that the corpus is made of, read once; and the small notation in which they are written."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..writer.agreement import of_several

FOLDER = Path(__file__).parent / "words"
BRACES = re.compile(r"\{([^{}]+)\}")
NUMBERS = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)(?:/(\d+(?:\.\d+)?))?")
ONE = re.compile(r"(?<![\d.])(1 [a-z]+)s\b")
"""A plural after a 1, which loses its s."""
ADVERBS = ("never", "also", "still", "only", "quietly")


@cache
def words(name: str) -> Any:
    """The contents of `words/NAME.yaml`; of `trades`, the families of all its files."""
    if name == "trades":
        return [family for path in sorted((FOLDER / name).glob("*.yaml")) for family in _read(path)]
    return _read(FOLDER / f"{name}.yaml")


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def pick(items: Any, random: np.random.Generator) -> Any:
    """One of a list, at random."""
    return items[int(random.integers(len(items)))]


def drawn(text: str, random: np.random.Generator, known: dict[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """Fills the braces of a text: `{8-14/2}` with a number, `{colour}` with a word of that pool.

    Args:
        text: with braces.
        random: draws.
        known: words that are given, by name.

    Returns:
        The text, and what was drawn by name of pool; the first number is `n`, the second `m`.
    """
    found = dict(known or {})
    names = iter("nm")

    def one(match: re.Match[str]) -> str:
        inside = match.group(1)
        span = NUMBERS.fullmatch(inside)
        if span:
            number = _number(span, random)
            found[next(names, "")] = number
            return number
        if known and inside in known:
            return known[inside]
        pool = [word for word in words("pools")[inside] if word != found.get(inside)]
        found[inside] = drawn(pick(pool, random), random, known)[0]
        return found[inside]

    return BRACES.sub(one, text), found


def _number(span: re.Match[str], random: np.random.Generator) -> str:
    low, high, step = (float(part) if part else 1.0 for part in span.groups())
    value = low + step * int(random.integers(round((high - low) / step) + 1))
    return f"{value:.2f}".rstrip("0").rstrip(".")


def fact(value: str, random: np.random.Generator, known: dict[str, str]) -> tuple[str, str]:
    """What a catalog shows and what copy says of a value: `{2-9} h >> {n} hours` gives ("7 h", "7 hours")."""
    shown, _, said = value.partition(" >> ")
    shown, found = drawn(shown, random, known)
    said = BRACES.sub(lambda match: found[match.group(1)], said) or shown
    return ONE.sub(r"\1", shown), ONE.sub(r"\1", said)


def verb(phrase: str, form: str) -> str:
    """A verb phrase in the third person singular, in another form.

    Args:
        phrase: its first word is the verb, as is each word marked by ^.
        form: one (as it is), many or infinitive.
    """
    first, _, rest = phrase.partition(" ")
    if form == "infinitive" and phrase.startswith("does not "):
        return phrase.removeprefix("does ")
    if first in ADVERBS:
        return f"{first} {verb(rest, form)}"
    return marked(f"^{phrase}", form)


def marked(text: str, form: str) -> str:
    """Gives each verb that is marked by ^ its form; what belongs to many is theirs."""
    if form == "one":
        return text.replace("^", "")
    text = re.sub(r"\^([a-z']+)", lambda match: _bare(match.group(1), form), text)
    return re.sub(r"\bitself\b", "themselves", re.sub(r"\bits\b", "their", text)) if form == "many" else text


def _bare(word: str, form: str) -> str:
    if word == "is" and form == "infinitive":
        return "be"
    return of_several(word)
