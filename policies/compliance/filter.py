"""The compliance filter: which texts may be published, and what has to change in the others.

It reads words, not meaning; what it passes is not thereby lawful. Error rates on labelled lines: `rates.py`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...simulation.data.catalog import Catalog, Creative, Product
from .claims import Claims
from .claims import Kind as Claimed
from .classifier import shipped
from .normalise import Folded, deleeted, folded
from .platforms import Platform
from .rules import BUILT_IN, LEARNED, Kind, Rule, Severity, rules_of

CAVEAT = "Words are read, not meaning: what passes is not thereby lawful, and a person has to read it."
"""Goes wherever it is said what passed."""
LONGEST = 2000
"""Characters of a text that are read: an ad is shorter, and patterns take time."""
SHOWN = 40
"""Characters that are told of a text where it is no word of it that counts."""
UNSUPPORTED: tuple[Claimed, ...] = ("price", "discount")
"""Claims that have to stand in the catalog before they are published, whoever wrote them."""
BEGIN, END = r"(?<![a-z\d])", r"(?![a-z\d])"
"""Borders of an English word; Chinese ones have none."""
KEPT = 2**16
"""Texts whose breaches are kept."""


@dataclass(frozen=True)
class Breach:
    """What a text may not say."""

    rule: str
    kind: Kind
    said: str
    """The words that broke it, as they stand in the text."""
    remedy: str
    """What to do."""
    severity: Severity = "refuse"


class Compliance:
    """Checks texts for the products of a catalog."""

    def __init__(
        self,
        catalog: Catalog,
        rules: Sequence[Rule],
        platform: Platform | None = None,
        unsupported: Sequence[Claimed] = UNSUPPORTED,
    ) -> None:
        """Keeps rules and limits; see `of`. `unsupported`: claims that are refused where no field supports them."""
        self.catalog, self.platform = catalog, platform
        self.rules = tuple(rule for rule in rules if rule.check != LEARNED)
        self.classified = next((rule for rule in rules if rule.check == LEARNED), None)
        self.unsupported = frozenset(unsupported)
        self.claims = Claims(catalog)
        self._fields = {product.product_id: _fields(product) for product in catalog.products}
        self._english = [rule for rule in self.rules if "en" in rule.languages]
        self._seen: dict[tuple[str, str], tuple[Breach, ...]] = {}

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        platform: str = "",
        rules: str = BUILT_IN,
        unsupported: Sequence[Claimed] = UNSUPPORTED,
    ) -> "Compliance":
        """Rules and a platform's limits by their names.

        Args:
            catalog: its products' fields say what is supported.
            platform: a name of `platforms.yaml`; empty for no limits.
            rules: built-in, none, or a file, see `rules_of`.
            unsupported: claims that are refused where no field supports them.

        Raises:
            InputError: no such platform, or a bad file of rules.
        """
        return cls(catalog, rules_of(rules), Platform.of(platform) if platform else None, unsupported)

    def check(self, creatives: Sequence[Creative]) -> list[tuple[Breach, ...]]:
        """What each text breaks of what words and patterns say; empty where it may be published.

        Raises:
            InputError: a text is for a product that the catalog does not have.
        """
        self.catalog.product_indices(creatives)
        return [self._kept(creative) for creative in creatives]

    def read(self, creatives: Sequence[Creative]) -> tuple[list[tuple[Breach, ...]], NDArray[np.float64]]:
        """What each text breaks; where none is refused, also a flag if a classifier takes it for a breach.

        Nothing that chooses or rewards texts asks this: a flag is for a person.

        Returns:
            Breaches of n texts; and [n] the classifier's probabilities, NaN where it was switched off, the text is too
            long, or its language is not read.

        Raises:
            InputError: see `check`.
        """
        found, unread = self.check(creatives), np.full(len(creatives), np.nan)
        rule = self.classified
        if rule is None:
            return found, unread
        texts = [creative.text if len(creative.text) <= LONGEST else "" for creative in creatives]
        probabilities = shipped().probabilities(texts)
        for i in np.flatnonzero(probabilities >= shipped().bounds(texts)):
            if not any(breach.severity == "refuse" for breach in found[i]):
                flag = Breach(rule.id, rule.kind, texts[i][:SHOWN], rule.says, rule.severity)
                found[i] = (*found[i], flag)
        return found, probabilities

    def thresholds(self) -> dict[str, float]:
        """Probability from which the classifier flags a text, by language; empty where it was switched off."""
        if self.classified is None:
            return {}
        return {language: model.threshold for language, model in shipped().models.items()}

    def refusing(self, creatives: Sequence[Creative]) -> list[tuple[str, ...]]:
        """Names of the rules that refuse each text, each once; flags are not counted.

        Raises:
            InputError: a text is for a product that the catalog does not have.
        """
        return [
            tuple(dict.fromkeys(breach.rule for breach in found if breach.severity == "refuse"))
            for found in self.check(creatives)
        ]

    def refused(self, creatives: Sequence[Creative]) -> Tensor:
        """[n] float, 1 where a rule refuses a text.

        Raises:
            InputError: a text is for a product that the catalog does not have.
        """
        return torch.tensor([bool(rules) for rules in self.refusing(creatives)], dtype=torch.float32)

    def _kept(self, creative: Creative) -> tuple[Breach, ...]:
        """What a text breaks, looked up once; while a writer is tuned the same texts come again and again."""
        key = creative.product_id, creative.text
        if key not in self._seen:
            if len(self._seen) >= KEPT:
                self._seen.clear()
            self._seen[key] = tuple(self._breaches(creative))
        return self._seen[key]

    def _breaches(self, creative: Creative) -> Iterator[Breach]:
        product = self.catalog[creative.product_id]
        if len(creative.text) > LONGEST:
            yield Breach("too-long", "platform", creative.text[:SHOWN], f"Shorten it to {LONGEST} characters at most.")
            return
        text = folded(creative.text)
        # Chinese rules find nothing in a text without Chinese; an English word may stand in either.
        for rule in self._english if text.text.isascii() else self.rules:
            for said in self._found(rule, text, product):
                yield Breach(rule.id, rule.kind, said, rule.says, rule.severity)
        # Numbers are read where a word begins; Chinese writes no space there: «只要66元».
        plain = re.sub(r"(?<=[\u4e00-\u9fff])(?=\d)", " ", text.text)
        for claim in self.claims.unsupported(Creative(creative.product_id, plain)) if self.unsupported else ():
            if claim.kind in self.unsupported:
                remedy = "Leave it out, or put it into the product's fields."
                yield Breach(f"unsupported-{claim.kind}", "unsupported", claim.said, remedy)
        if self.platform is not None:
            for name, said, remedy in self.platform.broken(creative.text, product):
                yield Breach(f"platform-{name}", "platform", said, remedy)

    def _found(self, rule: Rule, text: Folded, product: Product) -> Iterator[str]:
        """The words that break a rule, as the original has them."""
        if rule.check == "raw":
            text = Folded(text.original, None, text.original)
        elif rule.check == "profanity":
            text = deleeted(text)
        for found in rule.pattern.finditer(text.text):
            if not found[0] or (rule.unless and self._supports(rule.unless, found[0], product)):
                continue
            yield text.said(*found.span())

    def _supports(self, unless: str, words: str, product: Product) -> bool:
        """Whether the product's fields, or its brand and title, hold the words."""
        fields = self._fields[product.product_id]
        held = fields[0] if unless == "brand" else fields[1]
        words = words.strip()
        begin, end = ("" if letter > "z" else border for letter, border in ((words[0], BEGIN), (words[-1], END)))
        return re.search(f"{begin}{re.escape(words)}{end}", held) is not None


def _fields(product: Product) -> tuple[str, str]:
    """Brand and title, and all fields, folded as texts are."""
    names = f"{product.brand} · {product.title}"
    everything = f"{names} · {product.description} · {product.attribute_values} · {getattr(product, 'offers', '')}"
    return folded(names).text, folded(everything).text
