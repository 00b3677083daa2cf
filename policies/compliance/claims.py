"""Claims that nothing supports: what an ad says for a fact that no field of its product holds.

A claim is a number, a price, a material, another brand, a warranty, a discount, a deadline or a superlative. What an ad
may say stands in the catalog: title, brand, description, attributes, price, and `offers` where there is such a column.
This reads words, not meaning: "twice as warm" is a number without support, and "keeps its promise" is no claim. Error
rates on labelled lines are in the tests.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import yaml
from torch import Tensor

from ...simulation.data.catalog import Catalog, Creative, Product

Kind = Literal["number", "price", "material", "brand", "warranty", "discount", "deadline", "superlative"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KEPT = 2**16
"""Texts whose claims are kept."""
CLOSE = 0.03
"""Relative distance at which two amounts are the same: 3.4 kg is seven and a half pounds."""
UNDER = 1.25
"""«Under thirty dollars» is fair for a price above 30 / 1.25."""


@dataclass(frozen=True)
class Claim:
    """Something that an ad says and its product's fields do not."""

    kind: Kind
    said: str
    """The words of the text."""


@dataclass(frozen=True)
class Amount:
    """A number as a text gives it."""

    value: float
    """In the first unit of its family."""
    family: str
    """money, mass, length, …; empty where it has no unit."""
    said: str
    below: bool = False
    """Whether it is only a bound: «under 30»."""


@dataclass(frozen=True)
class Lexicon:
    """The words of `claims.yaml`, as patterns."""

    families: dict[str, tuple[str, float]]
    """unit -> its family, and its size in the family's first unit."""
    words: dict[str, float]
    larger: dict[str, float]
    amount: re.Pattern[str]
    materials: dict[str, str]
    """word -> group."""
    above: dict[str, str]
    """group -> what it is a kind of."""
    groups: dict[Kind, list[tuple[re.Pattern[str], frozenset[str]]]]
    superlative: re.Pattern[str]
    harmless: re.Pattern[str]
    material: re.Pattern[str]


def _either(phrases: Sequence[str]) -> str:
    """A pattern for any of the phrases: whole words where they are words, longest first; Chinese has no such borders.
    What begins with ~ is a pattern already.
    """
    found = [phrase.removeprefix("~") for phrase in phrases if phrase.startswith("~")]
    plain = sorted((phrase for phrase in phrases if not phrase.startswith("~")), key=len, reverse=True)
    bodies = {phrase: r"[\s-]+".join(re.escape(part) for part in phrase.split()) for phrase in plain}
    whole = [body for phrase, body in bodies.items() if _latin(phrase[0]) and _latin(phrase[-1])]
    for phrase, body in bodies.items():
        if body not in whole:
            found.append((_BEGIN if _latin(phrase[0]) else "") + body + (_END if _latin(phrase[-1]) else ""))
    # The borders stand once, outside: so where no word begins, nothing more is tried.
    return "|".join([*found, *([f"{_BEGIN}(?:{'|'.join(whole)}){_END}"] if whole else [])])


DECIMAL_COMMA = r"(?:\d{1,3}(?:\.\d{3})+|\d+),\d{1,2}"
"""A number of which the comma cannot part thousands."""
SPACED = r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?"
"""A number whose thousands are parted by spaces: taken for one where a currency follows."""
_BEGIN, _END = r"(?<![^\W_])", r"(?![^\W_])"


def _latin(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


@cache
def lexicon() -> Lexicon:
    """Reads `claims.yaml`, once."""
    known: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "claims.yaml").read_text(encoding="utf-8"))
    families = {u: (name, float(size)) for name, units in known["units"].items() for u, size in units.items()}
    families |= dict.fromkeys(known["currencies"]["money"], ("money", 1.0))
    words, larger = known["numbers"]["words"], known["numbers"]["larger"]
    money = known["currencies"]["money"]
    follows = "|".join(re.escape(sign) for sign in money)
    digits = rf"(?:{SPACED}(?=\s?(?:{follows}))|{DECIMAL_COMMA}(?!\d)|\d[\d,]*(?:\.\d+)?)"
    codes = [rf"{code}(?=\s?\d)" for code in money if re.fullmatch("[a-z]{3}", code)]  # EUR 44.95
    signs = "|".join([*(re.escape(sign) for sign in money if not sign.isalnum()), *codes])
    spelled = _either([*words, *larger])
    # «12 in, seasoned» is a length, «3 in the box» is not.
    units = "|".join([_either([unit for unit in families if unit != "in"]), _either(["in"]) + r"(?!\s+[a-z])"])
    number = rf"(?:{digits}|(?:{spelled})(?:[\s-]+(?:and[\s-]+)?(?:{spelled}|one|a half))*)"
    pattern = rf"(?P<sign>{signs})?\s?(?P<number>{number})(?P<half>\s+and\s+a\s+half)?(?:[\s-]?(?P<unit>{units}))?"
    materials = {word: group for group, facts in known["materials"].items() for word in facts["words"]}
    return Lexicon(
        families=families,
        words={word: float(value) for word, value in words.items()} | {"one": 1.0},
        larger={word: float(value) for word, value in larger.items()},
        amount=re.compile(rf"(?<![\w.])(?P<below>(?:under|below|less than)\s+)?{pattern}"),
        materials=materials,
        above={group: facts["of"] for group, facts in known["materials"].items() if "of" in facts},
        groups={
            kind: [(re.compile(_either(group)), frozenset(group)) for group in known[kind]]
            for kind in ("warranty", "discount", "deadline")
        },
        superlative=re.compile(_either([*known["superlatives"]["words"], *known["superlatives"]["phrases"]])),
        harmless=re.compile(_either(known["harmless"])),
        material=re.compile(_either(list(materials))),
    )


def spelled_number(text: str) -> float:
    """«3,400» -> 3400, «49,95» -> 49.95, «1.129,00», «1 129» -> 1129, «twenty-five» -> 25,
    «three hundred and ten» -> 310, «half a dozen» is two numbers.

    Args:
        text: casefolded; digits, or words of `claims.yaml`.
    """
    if re.fullmatch(SPACED, text):
        return float(re.sub(r"\s", "", text).replace(",", "."))
    if re.fullmatch(DECIMAL_COMMA, text):
        return float(text.replace(".", "").replace(",", "."))
    if text[0].isdigit():
        return float(text.replace(",", ""))
    known, total, part = lexicon(), 0.0, 0.0
    for word in re.split(r"[\s-]+", text):
        if word in known.larger:
            total, part = total + (part or 1) * known.larger[word], 0.0
        elif word == "dozen":
            part = (part or 1) * 12
        elif word == "half":
            part += 0.5
        elif word in known.words:
            part += known.words[word]
    return total + part


def amounts(text: str) -> Iterator[Amount]:
    """The numbers of a casefolded text, with their units."""
    known = lexicon()
    for found in known.amount.finditer(text):
        value = spelled_number(found["number"]) + (0.5 if found["half"] else 0.0)
        family, size = known.families.get(found["unit"] or "", ("", 1.0))
        if found["sign"]:
            family, size = "money", 1.0
        yield Amount(value * size, family, found[0].strip(), bool(found["below"]))


class Facts:
    """What a product's fields hold."""

    def __init__(self, product: Product) -> None:
        """Reads title, brand, description, attributes, offers and price."""
        known = lexicon()
        said = " · ".join(_fields(product)).casefold()
        self.text = said
        self.amounts = [*amounts(said), Amount(product.price, "money", "price")]
        self.materials = set()
        for found in known.material.finditer(said):
            group: str | None = known.materials[re.sub(r"[\s-]+", " ", found[0])]
            while group is not None:
                self.materials.add(group)
                group = known.above.get(group)

    def support(self, amount: Amount) -> bool:
        """Whether a field holds an amount: with its unit where it has one, else of any kind."""
        return any(_fits(amount, fact) for fact in self.amounts if fact.family == amount.family or not amount.family)


def _fits(amount: Amount, fact: Amount) -> bool:
    if amount.below:
        return amount.value / UNDER <= fact.value < amount.value
    if amount.family == "money":
        # $39 for a price of 38.99 or 39.00, but not for 41.
        return abs(amount.value - fact.value) < 0.51
    return abs(amount.value - fact.value) <= CLOSE * abs(fact.value)


def _fields(product: Product) -> list[str]:
    values = [product.title, product.category, product.brand, product.description]
    values += [f"{name} {value}" for name, value in product.attributes]
    return [value for value in (*values, getattr(product, "offers", "")) if value]


class Claims:
    """Reads ads for the products of a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        """Reads what the catalog holds."""
        self.catalog = catalog
        self.facts = {product.product_id: Facts(product) for product in catalog.products}
        brands = {product.brand.casefold() for product in catalog.products if product.brand}
        self._brands = re.compile(_either(sorted(brands))) if brands else None
        self._found: dict[tuple[str, str], tuple[Claim, ...]] = {}

    def unsupported(self, creative: Creative) -> tuple[Claim, ...]:
        """What an ad says and its product's fields do not, in the order of `KINDS`."""
        key = creative.product_id, creative.text
        if key not in self._found:
            if len(self._found) >= KEPT:
                self._found.clear()
            self._found[key] = self._unsupported(creative)
        return self._found[key]

    def _unsupported(self, creative: Creative) -> tuple[Claim, ...]:
        known, facts = lexicon(), self.facts[creative.product_id]
        text = known.harmless.sub(" ", creative.text.casefold())
        found = []
        for amount in amounts(text):
            if not facts.support(amount) and not _whole_share(amount, text, facts):
                found.append(Claim("price" if amount.family == "money" else "number", amount.said))
        for match in known.material.finditer(text):
            if known.materials[re.sub(r"[\s-]+", " ", match[0])] not in facts.materials:
                found.append(Claim("material", match[0]))
        for match in self._brands.finditer(text) if self._brands else ():
            if match[0] not in facts.text:
                found.append(Claim("brand", match[0]))
        for kind, groups in known.groups.items():
            for pattern, group in groups:
                if (match := pattern.search(text)) and not any(word in facts.text for word in group):
                    found.append(Claim(kind, match[0]))
        found += [Claim("superlative", m[0]) for m in known.superlative.finditer(text) if m[0] not in facts.text]
        return tuple(sorted(found, key=lambda claim: KINDS.index(claim.kind)))

    def said(self, creative: Creative) -> str:
        """What an ad claims without support, such as «price: $39; material: teak»; empty where nothing."""
        return "; ".join(f"{claim.kind}: {claim.said}" for claim in self.unsupported(creative))

    def counts(self, creatives: Sequence[Creative]) -> Tensor:
        """[n, 8] float: unsupported claims of each kind, columns as in `KINDS`."""
        rows = torch.zeros(len(creatives), len(KINDS))
        for row, creative in zip(rows, creatives, strict=True):
            for claim in self.unsupported(creative):
                row[KINDS.index(claim.kind)] += 1
        return rows


def _whole_share(amount: Amount, text: str, facts: Facts) -> bool:
    """«100% cotton» says no more than «cotton» does, unless a field gives a share."""
    if amount.family != "share" or amount.value != 100 or any(fact.family == "share" for fact in facts.amounts):
        return False
    after = text.partition(amount.said)[2].split()
    return bool(after) and after[0] in facts.text
