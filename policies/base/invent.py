"""Products that do not exist: brands of syllables, titles, and attributes with their values."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ...simulation.data.catalog import Product
from ..writer.placeholders import head_noun, is_measure, is_plural
from .words_files import BRACES, drawn, fact, pick, words

EXTRA = ("price", "offer", "warranty", "returns", "shipping", "rating")
"""Kinds of facts that any product may have."""
OF_A_BODY = ("part", "parts", "trait", "spec", "along")
"""Kinds of facts that a thing with a body may have."""
BODY = {"material", "weight", "size", "dimensions", "power", "capacity", "handle"}
"""Kinds of facts that tell such things."""
ANYTHING = 0.3
"""Share of products of no trade."""
SMALL_WORDS = {"with", "that", "your", "from", "this", "their", "them", "they", "what", "when", "where", "than", "into"}
OWN_WAYS = {
    "asked": re.compile(r"from \{\d[^}]*\}( a (month|night))? >>"),
    "without": re.compile("no (?!experience)"),
    "tasting": re.compile("(mild|smoky|peppery|salty)$"),
    "pack": re.compile("pack of|set of"),
    "stated": re.compile(
        "ready|dry|reads|first|free|fixed|entry|data stays|runs in|works offline|end-to-end|answers|help by|courses"
        "|steps|serves|IPX|washable|.* (courses|office|steps)"
    ),
}
"""Values that are said in ways of their own, whatever the kind of the fact."""
PREPOSITIONS = (" in ", " of ", " on ", " to ", " through ", " off ", " about ", " around ", " by ", " at ", " kit")


@dataclass(frozen=True)
class Invented:
    """A product, and what a grammar must know to speak of it."""

    product: Product
    """Its attributes are those that prompts show, and perhaps more."""
    number: str
    """one, many, mass (no article) or name (neither article nor plural)."""
    short: str
    """What it is in a word."""
    family: dict[str, Any]
    said: tuple[tuple[str, str], ...]
    """(kind of fact, value as copy says it), one for each attribute."""

    @property
    def is_thing(self) -> bool:
        """Whether it has a body, that can be sturdy and can be looked at."""
        return "nouns" in self.family and bool(BODY & set(self.family["facts"]))


def invent(number: int, random: np.random.Generator) -> Invented:
    """Makes up a product: of a trade or, one in so many, of no trade, with any words for a title.

    Args:
        number: makes its id.
        random: draws everything.
    """
    name = brand(random)
    if random.random() < ANYTHING:
        family = {"trade": "anything", "kinds": [], **words("anything")}
        noun, kind_of_noun = _anything(random)
    else:
        family = pick(words("trades"), random)
        noun, kind_of_noun = _noun(family, random, name)
    facts = [(kind, *_fact(value, random, name)) for kind, value in _values(family, random)]
    title = _title(noun, kind_of_noun, family, facts, name, random)
    if kind_of_noun == "one" and is_plural(title):
        kind_of_noun = "many"
    product = Product(
        product_id=f"p{number}",
        title=title,
        category=family["trade"],
        price=float(np.round(np.exp(random.normal(3.6, 1.1)), 0)),
        brand=name if random.random() < 0.9 else "",
        attributes=tuple(("", shown) for _, shown, _ in facts),  # a value says what it is
    )
    return Invented(product, kind_of_noun, head_noun(title), family, tuple((kind, said) for kind, _, said in facts))


def _fact(value: str, random: np.random.Generator, name: str) -> tuple[str, str]:
    """What a prompt shows and what copy says of a value: the same, but for the units of a measure."""
    shown, said = fact(value, random, {"brand": name})
    return (shown, said) if is_measure(shown) else (said, said)


def brand(random: np.random.Generator) -> str:
    """A name that nobody has: syllables, two words, or a word and a suffix."""
    parts, how = words("brands"), random.random()
    if how < 0.5:
        middle = pick(parts["middles"], random) if random.random() < 0.45 else ""
        return f"{pick(parts['starts'], random)}{middle}{pick(parts['ends'], random)}"
    one, two = pick(parts["words"], random), pick(parts["words"], random)
    if how < 0.65:
        return f"{one} & {two}" if one != two else f"{one} & Sons"
    if how < 0.75:
        return f"{one}{pick(parts['ends'], random)}"
    if how < 0.85:
        return f"{pick(parts['starts'], random)}{pick(parts['ends'], random)} {pick(parts['suffixes'], random)}"
    return f"{one} {two if two != one and random.random() < 0.4 else pick(parts['suffixes'], random)}"


def _anything(random: np.random.Generator) -> tuple[str, str]:
    """A title of any words, real ones and made-up ones, and its number."""
    many = random.random() < 0.25
    last = _any_word(random, noun=True)
    before = [_any_word(random, noun=False) for _ in range(int(random.choice(3, p=(0.25, 0.55, 0.2))))]
    if many:
        last = last if last.endswith("s") else f"{last}s"
    how = random.random()
    if how < 0.12:
        last = f"{last} {pick(('for', 'in', 'of', 'with', 'by', 'at'), random)} {_any_word(random, noun=True)}"
    title = " ".join([*before, last])
    return title, "many" if is_plural(title) else "one"


def _any_word(random: np.random.Generator, *, noun: bool) -> str:
    """A noun or a word before one: of all trades, or of syllables."""
    if random.random() < 0.15:
        parts, syllables = words("brands"), int(random.integers(1, 3))
        middle = "".join(pick(parts["middles"], random) for _ in range(syllables))
        return f"{pick(parts['starts'], random)}{middle}{pick(parts['ends'], random)}".lower()
    return pick(_all_words()[noun], random)


@cache
def _all_words() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What stands before nouns in all trades and what is said in their lines; and nouns, each of one word."""
    nouns, before = set[str](), set[str]()
    for family in words("trades"):
        for title in family["nouns"]:
            nouns.update(word for word in re.findall(r"[a-z]{3,}", BRACES.sub("", title)) if word not in SMALL_WORDS)
        for phrase in [part for key in ("kinds", "does", "for", "scenes") for part in family.get(key) or ()]:
            before.update(word for word in re.findall(r"[a-z]{4,}", phrase.lower()) if word not in SMALL_WORDS)
    return tuple(sorted(before | nouns)), tuple(sorted(nouns))


def _noun(family: dict[str, Any], random: np.random.Generator, name: str) -> tuple[str, str]:
    noun = drawn(pick(family["nouns"], random), random, {"brand": name})[0]
    kinds = {"*": "many", "~": "mass", "!": "name"}
    return (noun[:-1], kinds[noun[-1]]) if noun[-1] in kinds else (noun, "one")


def _values(family: dict[str, Any], random: np.random.Generator) -> list[tuple[str, str]]:
    """(kind, value) of some of the family's facts, in random order, now and then with one that any product may have."""
    own: dict[str, list[str] | None] = family["facts"]
    kinds = [str(kind) for kind in random.permutation(list(own))[: int(random.integers(1, 5))]]
    if random.random() < 0.35:
        extra = pick(EXTRA, random)
        if extra not in kinds:
            kinds.insert(int(random.integers(len(kinds) + 1)), extra)
    if set(own) & BODY:
        kinds = [str(kind) for kind in random.permutation([*kinds, *(k for k in OF_A_BODY if random.random() < 0.25)])]
    values = [(kind, str(pick(own.get(kind) or words("facts")[kind]["values"], random))) for kind in kinds]
    return [(next((name for name, how in OWN_WAYS.items() if how.match(value)), kind), value) for kind, value in values]


def _title(
    noun: str,
    number: str,
    family: dict[str, Any],
    facts: list[tuple[str, str, str]],
    name: str,
    random: np.random.Generator,
) -> str:
    """The noun, before it perhaps a kind, its material or its colour; a few carry a model's name or big letters."""
    if number == "name":
        return noun
    before = []
    if family["kinds"] and random.random() < 0.6:
        before.append(pick(family["kinds"], random))
    told = [
        shown for kind, shown, _ in facts if kind in ("material", "colour", "gem", "roast") and " and " not in shown
    ]
    if told and random.random() < 0.35 and not any(char.isdigit() for char in told[0]):
        before.append(told[0].removeprefix("colour "))
    title = " ".join([*before, noun])
    if random.random() < 0.05 and name:
        title = f"{name} {title}"
    if random.random() < 0.02 and not any(word in noun for word in PREPOSITIONS):
        title = f"{title} {pick('ABCDEFGHKLMNPRSTVXZ', random)}{int(random.integers(1, 90))}"
    how = random.random()
    return title.title().replace("'S", "'s") if how < 0.1 else title
