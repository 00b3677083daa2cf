"""Facts that a text states and its product does not have: what a buyer finds out after the click.

Numbers, in digits or words, are held against all numbers of the product's fields and its price, whatever they count; a
short list of words that state a fact (a material, a warranty, a rebate) against the words of the fields. It is coarse:
it reads no units, no brand, and no word that is not on the list.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from ..data.catalog import Catalog, Creative, Product
from .encoder import tokens

_ONES = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
SMALL = {word: float(value) for value, word in enumerate(_ONES.split())}
SMALL |= {word: 10.0 * value for value, word in enumerate(_TENS.split(), 2)}
LARGE = {"dozen": 12.0, "hundred": 100.0, "thousand": 1000.0, "million": 1e6}
MOST = 2
"""False facts that count: a text with ten is not believed ten times less than one with two."""
NEAR = 0.02
"""Relative distance at which two numbers are the same."""
BOUND = 1.3
"""«Under 40» is kept by a price from 40 / 1.3."""
_STATING = """
    warranty guarantee refund percent discount rebate voucher certified patented award waterproof dishwasher organic
    vegan recycled handmade leather cotton linen wool merino cashmere silk oak walnut bamboo teak ceramic porcelain
    glass steel titanium aluminum aluminium copper brass silver gold marble
"""
STATING = tuple(_STATING.split())
"""Words that state a fact about a product, in English; a scenario may name its own (`facts`)."""
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_UNDER = re.compile(r"\b(?:under|below|less than|up to)\s+\W?\s*$")


class Facts:
    """What the fields of a catalog's products hold."""

    def __init__(self, catalog: Catalog, stating: Sequence[str] | None = None) -> None:
        """Reads the catalog.

        Args:
            catalog: products whose fields are true.
            stating: words that state a fact, as they begin: «waterproof» is said by «waterproofed» too; `STATING` by
                default.
        """
        self.catalog = catalog
        self._stating = tuple(word.casefold() for word in (STATING if stating is None else stating))
        self._latin = tuple(stem for stem in self._stating if stem.isascii())
        self._fields = [_fields(product) for product in catalog.products]
        self._numbers = [[value for value, _ in numbers(said)] for said in self._fields]

    def unsupported(self, creative: Creative) -> list[str]:
        """What a text states and its product's fields do not, in the order of the list, numbers last."""
        index = self.catalog.index[creative.product_id]
        text, fields = creative.text.casefold(), self._fields[index]
        begun = [word for word in tokens(text) if word.startswith(self._latin)]
        found = [
            stem
            for stem in self._stating
            if stem not in fields and (any(word.startswith(stem) for word in begun) if stem.isascii() else stem in text)
        ]
        price, held = self.catalog.products[index].price, self._numbers[index]
        for value, at in numbers(text):
            bound = bool(_UNDER.search(text[:at])) and price < value <= BOUND * price
            if value not in (0, 1) and not bound and not any(_near(value, fact) for fact in (price, *held)):
                found.append(f"{value:g}")
        return found

    def read(self, creatives: Sequence[Creative]) -> Tensor:
        """[n] float32, false facts of each text, at most `MOST`."""
        return torch.tensor([float(min(len(self.unsupported(creative)), MOST)) for creative in creatives])


def numbers(text: str) -> list[tuple[float, int]]:
    """The numbers of a text in lower case, in digits or in English words, and where each begins."""
    found = [(float(m[0].replace(",", "")), m.start()) for m in _NUMBER.finditer(text)]
    total, part, start, end = 0.0, 0.0, -1, -1
    for match in [*re.finditer(r"[a-z]+", text), None]:
        word = match[0] if match else ""
        joined = match is not None and start >= 0 and re.fullmatch(r"[\s-]+", text[end : match.start()])
        if start >= 0 and not (joined and (word in SMALL or word in LARGE)):
            found.append((total + part, start))
            total, part, start = 0.0, 0.0, -1
        if match is None or (word not in SMALL and word not in LARGE):
            continue
        start, end = match.start() if start < 0 else start, match.end()
        if word in SMALL:
            part += SMALL[word]
        elif LARGE[word] < 1000:
            part = (part or 1.0) * LARGE[word]
        else:
            total, part = total + (part or 1.0) * LARGE[word], 0.0
    return sorted(found, key=lambda number: number[1])


def _near(value: float, fact: float) -> bool:
    return abs(value - fact) <= max(NEAR * abs(fact), 0.51 if fact != int(fact) else 0.0)


def _fields(product: Product) -> str:
    values = [product.title, product.category, product.brand, product.description, getattr(product, "offers", "")]
    return " · ".join([*values, *(f"{name} {value}" for name, value in product.attributes)]).casefold()
