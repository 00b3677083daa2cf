"""How the simulated users read a text: what it says for the product, how well, and how honestly.

Every form saturates or turns back, so that more of a good thing (keywords, capitals, claims, length) stops paying.
The terms are chosen for direction and shape, not measured; calibration on one's own logs sets their size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from sklearn.feature_extraction.text import CountVectorizer
from torch import Tensor

from ..data.catalog import Catalog, Creative
from ..reader.garbled import GarbledCopy
from ..scenario import Scenario
from .encoder import TextEncoder, surface_features, tokens
from .facts import Facts


@dataclass(frozen=True)
class Sight:
    """What n pictures say, as utilities (before the world scales them); zero where there is no picture."""

    appeals: Tensor
    """[n, K] in [-1, 1]: it speaks for an appeal as words do, or against it."""
    click: Tensor
    """[n] what draws or repels every user."""
    convert: Tensor
    """[n] what makes or loses the sale after the click."""
    overclaim: Tensor
    """[n] in [0, 1], how much it promises that cannot be kept."""

    def to(self, device: torch.device | str) -> "Sight":
        """The same on another device."""
        return Sight(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass(frozen=True)
class Reading:
    """What n texts say, as utilities (before the world scales them to its text effect)."""

    appeals: Tensor
    """[n, K] strength of each appeal; it meets the tastes of the user."""
    click: Tensor
    """[n] what draws or repels every user."""
    convert: Tensor
    """[n] what makes or loses the sale after the click."""
    overclaim: Tensor
    """[n] in [0, 1], how much it promises that cannot be kept."""
    garbled: Tensor
    """[n] in [0, 1], how far it is from being well put; it costs clicks on a scale of its own."""
    false_facts: Tensor
    """[n] facts that it states and its product does not have; they cost conversions on a scale of their own."""

    def __len__(self) -> int:
        return len(self.click)

    sight: Sight | None = None
    """What the pictures say that the texts stand beside; None where there are none."""

    @property
    def promised(self) -> Tensor:
        """[n] in [0, 1], what cannot be kept, in words or in the picture."""
        return self.overclaim if self.sight is None else torch.maximum(self.overclaim, self.sight.overclaim)

    def to(self, device: torch.device | str) -> "Reading":
        """The same reading on another device."""
        parts = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "sight"}
        return Reading(**parts, sight=None if self.sight is None else self.sight.to(device))

    def of(self, rows: Tensor, sight: Sight) -> "Reading":
        """The texts of some rows, [n] int64, beside n pictures."""
        parts = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "sight"}
        return Reading(**parts, sight=sight)


class Reader(Protocol):
    """Anything that reads creatives for a world."""

    def read(self, creatives: Sequence[Creative]) -> Reading:
        """Reads texts; tensors on the CPU."""
        ...

    @property
    def judges_language(self) -> bool:
        """Whether it knows garbled copy in the catalog's language; where it does not, none is garbled to it."""
        ...


def plateau(value: Tensor, width: float, power: float = 4.0) -> Tensor:
    """exp(-|value / width|^power): near 1 well inside the width, near 0 well outside."""
    return torch.exp(-((value.abs() / width) ** power))


def share_attention(strength: Tensor, capacity: float = 2.0) -> Tensor:
    """Divides attention among the things a text says: s / (1 + (sum s / capacity)^2).

    One or two clear messages get through; a text that says everything says little.

    Args:
        strength: [n, K], each in [0, 1].
        capacity: total strength at which each message is halved.
    """
    return strength / (1 + (strength.sum(1, keepdim=True) / capacity) ** 2)


class TextReader:
    """The gold reader of the built-in scenarios: a lexicon, an encoder and surface features."""

    def __init__(self, scenario: Scenario, catalog: Catalog, seed: int | None = 0) -> None:
        """Builds the reader from the scenario's words and the catalog's language.

        Args:
            scenario: its words and the length it likes.
            catalog: its language and names.
            seed: draws tastes that no word list tells; None for a reader that has none, as when a log is fitted.
        """
        self.scenario, self.catalog = scenario, catalog
        appeals = scenario.appeals.values()
        self._phrases = Phrases([*(appeal.words for appeal in appeals), scenario.overclaims])
        self._convert_weight = torch.tensor([appeal.convert for appeal in appeals])
        self._encoder = TextEncoder(dim=64, seed=101)
        rng = np.random.default_rng([seed or 0, 7])
        self._hidden = torch.from_numpy(rng.standard_normal((64, 2), dtype=np.float32)) * float(seed is not None)
        self._fluency = Fluency(catalog.texts())
        self._naming = Naming(catalog)
        self._garbled, self._facts = GarbledCopy(catalog), Facts(catalog, scenario.facts)

    @property
    def judges_language(self) -> bool:
        """Whether its readers know garbled copy in the catalog's language; in others, none is garbled to them."""
        return self._garbled.judges

    def read(self, creatives: Sequence[Creative]) -> Reading:
        """Reads texts; see `Reading`."""
        parts = self.explain(creatives)
        n_appeals = len(self.scenario.appeals)
        appeals = torch.tensor(parts.iloc[:, :n_appeals].to_numpy(np.float32))
        part = {name: torch.tensor(parts[name].to_numpy(np.float32)) for name in parts.columns[n_appeals:]}
        flaws = 3.0 * torch.tanh(part["flaws"] / 3.0)
        click = 0.6 * part["grounding"] + 0.35 * part["overclaim"] + 0.25 * part["hidden_click"]
        click = click - flaws - 0.3 * part["foreign"]
        convert = appeals @ self._convert_weight + 0.8 * part["grounding"] + 0.25 * part["hidden_convert"]
        convert = convert - 0.5 * flaws - 1.2 * part["overclaim"] - 1.5 * part["foreign"]
        return Reading(appeals, click, convert, part["overclaim"], part["garbled"], part["false_facts"])

    def explain(self, creatives: Sequence[Creative]) -> pd.DataFrame:
        """The terms behind a reading, a row a creative: appeals by name, then overclaim, grounding, foreign, flaws,
        hidden_click, hidden_convert, garbled and false_facts.
        """
        texts = [creative.text for creative in creatives]
        said = self._phrases(texts)
        counts, hype = said[:, :-1], said[:, -1]
        surface = surface_features(texts)
        density = (counts.sum(1) + hype) / surface[:, 1].clamp(min=1)
        own, foreign = self._naming.read(creatives)
        hidden = torch.tanh(self._encoder.encode(texts) @ self._hidden)
        frame = pd.DataFrame(share_attention(1 - torch.exp(-counts)).numpy(), columns=list(self.scenario.appeals))
        return frame.assign(
            overclaim=(1 - torch.exp(-hype)).numpy(),
            grounding=own.numpy(),
            foreign=foreign.numpy(),
            flaws=self._flaws(texts, surface, density).numpy(),
            hidden_click=hidden[:, 0].numpy(),
            hidden_convert=hidden[:, 1].numpy(),
            garbled=self._garbled.read(texts).numpy(),
            false_facts=self._facts.read(creatives).numpy(),
        )

    def _flaws(self, texts: Sequence[str], surface: Tensor, density: Tensor) -> Tensor:
        length, _, upper, marks, symbols, digits, repetition = surface.unbind(1)
        unfit = torch.log((length + 1) / (self.scenario.ideal_length + 1))
        kept = [
            plateau(unfit, 1.0),
            plateau(upper, 0.25, 2),
            plateau((marks - 1).clamp(min=0), 1.5, 2),
            plateau(symbols, 0.06, 2),
            plateau(digits, 0.25, 2),
            plateau(repetition, 0.3, 2),
            plateau(density, 0.55),
        ]
        return sum((1 - each for each in kept), start=self._fluency.read(texts))


class Fluency:
    """How far a text's character 4-grams stray from those of the catalog's language, any script."""

    def __init__(self, corpus: Sequence[str], tolerance: float = 0.0) -> None:
        """Learns the known 4-grams; the spread of familiarity is taken on texts held out from the count.

        Args:
            corpus: texts in the language.
            tolerance: deviations below the usual familiarity that are not strange yet.
        """
        self._tolerance = tolerance
        known = self._known(corpus[::2])
        share = self._share(known, corpus[1::2] or corpus)
        self._mean, self._deviation = float(share.mean()), max(float(share.std(correction=0)), 0.05)
        self._all = self._known(corpus)

    def read(self, texts: Sequence[str]) -> Tensor:
        """[n] strangeness: 0 for usual texts, rising to 1 as familiarity falls two deviations below the tolerated."""
        below = (self._mean - self._share(self._all, texts)) / self._deviation - self._tolerance
        return (below / 2).clamp(0, 1)

    @staticmethod
    def _known(corpus: Sequence[str]) -> set[str]:
        return {gram for text in corpus for gram in _grams(text)}

    @staticmethod
    def _share(known: set[str], texts: Sequence[str]) -> Tensor:
        grams = [_grams(text) for text in texts]
        return torch.tensor([sum(g in known for g in found) / len(found) if found else 0.0 for found in grams])


class Naming:
    """Whether a text names its own product, and whether it names somebody else's."""

    def __init__(self, catalog: Catalog) -> None:
        """Weighs the tokens of every title and brand by how rare they are in the catalog."""
        self.catalog = catalog
        names = [product.title for product in catalog.products]
        names += sorted({product.brand for product in catalog.products if product.brand})
        self._words = CountVectorizer(analyzer=tokens, binary=True, dtype=np.float32)
        table = self._words.fit_transform(names)
        rarity = np.log((1 + len(names)) / (1 + np.asarray(table.sum(0)).ravel())) + 1
        weighted = table.multiply(rarity).tocsr()
        self._names = weighted.multiply(1 / np.maximum(weighted.sum(1), 1e-9)).tocsr()
        own = [f"{p.title} {p.brand} {p.category} {p.description} {p.attribute_values}" for p in catalog.products]
        self._own = self._words.transform(own)
        self._titles = table[: len(catalog)]
        self._attributes = [frozenset(tokens(product.attribute_values)) for product in catalog.products]

    def read(self, creatives: Sequence[Creative]) -> tuple[Tensor, Tensor]:
        """Two [n] tensors in [0, 1]: own product named and described, another product or brand named."""
        said = self._words.transform([creative.text for creative in creatives])
        index = self.catalog.product_indices(creatives)
        own = np.asarray(said.multiply(self._names[index]).sum(1)).ravel()
        other = said - said.multiply(self._own[index])
        foreign = (other @ self._names.T).max(axis=1).toarray().ravel()
        detail = [len(self._attributes[i] & set(tokens(c.text))) for i, c in zip(index, creatives, strict=True)]
        grounding = 0.6 * torch.from_numpy(own) + 0.4 * (1 - torch.exp(-torch.tensor(detail, dtype=torch.float32)))
        return grounding.float(), ((torch.from_numpy(foreign).float() - 0.5) / 0.4).clamp(0, 1)


class Phrases:
    """Counts words and phrases of several groups, as `tokens` cuts them."""

    def __init__(self, groups: Sequence[Sequence[str]]) -> None:
        """Takes the groups; one may have no phrase, and a phrase may be in several."""
        cut = [{" ".join(tokens(phrase)) or phrase for phrase in group} for group in groups]
        known = sorted(set().union(*cut)) or ["\x00"]
        longest = max(phrase.count(" ") + 1 for phrase in known)
        self._counter = CountVectorizer(
            tokenizer=tokens, token_pattern=None, vocabulary=known, ngram_range=(1, longest), dtype=np.float32
        )
        self._group = np.array([[phrase in group for group in cut] for phrase in known], dtype=np.float32)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """[n, groups] float32, how often each text says a phrase of each group."""
        return torch.from_numpy(np.asarray(self._counter.transform(texts) @ self._group))


def _grams(text: str) -> list[str]:
    line = f" {' '.join(text.lower().split())} "
    return [line[i : i + 4] for i in range(len(line) - 3)]
