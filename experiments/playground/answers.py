"""What a page may ask a finished run: ads for a product, what each would bring and why, and the slate for a visitor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ...agents.agent import CONVERSION_VALUE, PlacementAgent
from ...agents.labels import Labels
from ...agents.state import SETTINGS, load_agent
from ...policies.compliance.claims import Claims
from ...policies.compliance.filter import Compliance
from ...policies.effect.contract import CLICK, CONVERT, TextEffect
from ...policies.effect.effect_file import EFFECT, read_effect
from ...policies.effect.model import EffectModel
from ...policies.effect.newcomer import with_newcomer
from ...policies.effect.reasons import reasons_of_ads
from ...policies.writer.chat import AD, HEADLINE
from ...policies.writer.checkpoint import CHECKPOINT, check_checkpoint
from ...policies.writer.writer import Writer, load_writer
from ...simulation.data.catalog import EVERYONE, UNKNOWN, Catalog, Creative, Product, attributes_from
from ...simulation.data.errors import InputError
from ...simulation.data.reading.numbers import read_numbers
from ...simulation.reader.garbled import GarbledCopy
from ...simulation.text.encoder import tokens
from ..harness.rules import NOTHING, RulesOptions
from ..scoring.ads import restored_effect

TEXTS, REASONS = 8, 3
PLACEMENT = "placement"
LONGEST = 400
"""Characters of a field."""
TYPED = "typed"
"""Number of a product that somebody types."""
HOURS = 24


@dataclass
class Answers:
    """A run's writer, effect model and, where it has placed ads, agent."""

    folder: Path
    writer: Writer
    kind: str
    state: dict[str, Any]
    """Of the effect model."""
    agent: PlacementAgent | None
    device: torch.device
    publishing: RulesOptions

    @classmethod
    def of(cls, run: Path, device: torch.device, publishing: RulesOptions) -> "Answers":
        """Loads what a run left; `publishing` says which texts are refused.

        Raises:
            InputError: it is no finished `loop` or `tune` run, or its effect model reads with what is not here.
        """
        publishing.compliance(NOTHING)  # what is wrong with it is said at once
        check_checkpoint(run / CHECKPOINT)
        kind, state = read_effect(run / EFFECT)
        restored_effect(kind, state, run / EFFECT, device)  # what it lacks here is said at once
        request = AD if kind == EffectModel.__name__ else HEADLINE
        writer = load_writer(str(run / CHECKPOINT), device=device, request=request)
        placed = (run / PLACEMENT / SETTINGS).is_file()
        agent = load_agent(run / PLACEMENT) if placed else None
        return cls(run, writer, kind, state, agent, device, publishing)

    def offered(self) -> dict[str, Any]:
        """What the page has to choose from."""
        known = self.state.get("catalog", {"products": [], "queries": []})
        queries = [query["text"] for query in known["queries"]]
        segments = [name for name in self.state.get("segments", []) if name != UNKNOWN]
        products = [_shown(Product(**product)) for product in known["products"]]
        return {
            "run": self.folder.resolve().name,
            "products": products,
            "categories": sorted({product["category"] for product in products}),
            "audiences": list(dict.fromkeys([EVERYONE, *segments, *queries])),
            "visitor": None if self.agent is None or self.agent.labels is None else self._visitor(),
        }

    def write(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Ads for a product, the one that is worth most first.

        Args:
            asked: `title`, perhaps `category, brand, price, attributes, description`; `audience`; `seed`.

        Returns:
            `text, ctr, cvr, worth`, `why` (pairs of what was left out and what it brings), `claims`, what no field of
            the product supports, and `refused`, pairs of a rule that refuses the text and the words that break it.

        Raises:
            InputError: naming what is missing or not known.
        """
        product, audience = self._product(asked), _field(asked, "audience") or EVERYONE
        if audience not in self.offered()["audiences"]:
            raise InputError(f"audience '{audience}' is none that the model learned")
        generator = torch.Generator().manual_seed(int(_number(asked, "seed", 0)))
        written = self.writer.write([product], [audience], 3 * TEXTS, generator=generator)
        different = {creative.text: creative for creative in written if creative.text.strip()}
        by_product, catalog = self.kind == EffectModel.__name__, Catalog([product])
        compliance = self.publishing.compliance(catalog) if by_product else self.publishing.compliance(catalog, ())
        creatives = _soundest(compliance, product, list(different.values()), names_product=by_product)[:TEXTS]
        if not creatives:
            raise InputError("the writer wrote nothing; try again, or another product")
        effect, claims = self._effect(product), Claims(catalog)
        prediction = effect.predict(creatives)
        worth, rates = prediction.worth(CONVERSION_VALUE).mean(0), prediction.rates
        why = reasons_of_ads(effect, creatives, CONVERSION_VALUE, REASONS)
        rows = [
            {
                "text": creative.text,
                "ctr": float(rates[i, CLICK]),
                "cvr": float(rates[i, CONVERT]),
                "worth": float(worth[i]),
                "why": [[name, gain] for name, gain in why[i]],
                "claims": claims.said(creative),
                "refused": [[b.rule, b.said] for b in compliance.check([creative])[0] if b.severity == "refuse"],
            }
            for i, creative in enumerate(creatives)
        ]
        return sorted(rows, key=lambda row: -row["worth"])

    def slate(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What the agent would show a visitor; it learns nothing from being asked.

        Args:
            asked: `hour`, `query`, and a name or nothing for each other group of features.

        Raises:
            InputError: the run has no agent, or naming what is no feature.
        """
        names, agent = self._names(), self.agent
        assert agent is not None
        known = {group: name for group in self._visitor()["groups"] if (name := _field(asked, group))}
        hour = _number(asked, "hour", 12.0) if "hour=sin" in names.features else None
        visit = names.visits(names.context(hour, **known), _field(asked, "query") or None)
        decision = agent.act(visit, agent.on_show)
        estimate = getattr(agent, "estimate_propensities", None)
        chances = decision.propensities
        if chances is None and estimate is not None:
            chances = estimate(visit, agent.on_show, decision.slates).propensities
        arms = decision.slates[0].tolist()
        titles = {product["product_id"]: product["title"] for product in self.offered()["products"]}
        shown = [names.creatives[arm] for arm in arms]
        return {
            "creatives": len(agent.on_show),
            "slate": [
                {
                    "text": creative.text,
                    "product": titles.get(creative.product_id, creative.product_id),
                    "audience": creative.audience,
                    "chance": None if chances is None else float(chances[0, slot]),
                }
                for slot, creative in enumerate(shown)
            ],
        }

    def _names(self) -> Labels:
        if self.agent is None or self.agent.labels is None:
            raise InputError("this run has placed no ads; give that of `loop`")
        return self.agent.labels

    def _visitor(self) -> dict[str, Any]:
        """Groups of features with their names, and what may be asked."""
        names = self._names()
        pairs = [feature.partition("=") for feature in names.features if "=" in feature]
        groups: dict[str, list[str]] = {}
        for group, _, name in pairs:
            if group not in ("hour", "query"):
                groups.setdefault(group, []).append(name)
        return {
            "groups": groups,
            "queries": [query.text for query in names.queries],
            "hour": "hour=sin" in names.features,
        }

    def _product(self, asked: Mapping[str, Any]) -> Product:
        title = _field(asked, "title")
        if not title:
            raise InputError("title: say what the product is called")
        return Product(
            _field(asked, "product_id") or TYPED,
            title,
            _field(asked, "category"),
            _number(asked, "price", 0.0),
            _field(asked, "brand"),
            _field(asked, "description"),
            attributes_from(_field(asked, "attributes")),
        )

    def _effect(self, product: Product) -> TextEffect:
        """That of the run, to which the product is one like others of its category."""
        by_product = self.kind == EffectModel.__name__
        state = with_newcomer(self.state, product) if by_product else self.state
        return restored_effect(self.kind, state, self.folder / EFFECT, self.device)


def _soundest(
    compliance: Compliance, product: Product, creatives: Sequence[Creative], *, names_product: bool
) -> list[Creative]:
    """Those first that may be published, name the product and read well, else in the order of their writing."""
    refused = compliance.refused(creatives).tolist()
    garbled = GarbledCopy(Catalog([product])).read([creative.text for creative in creatives]) >= 0.5
    own = set(tokens(product.title))
    unnamed = [names_product and not own & set(tokens(creative.text)) for creative in creatives]
    order = sorted(range(len(creatives)), key=lambda i: (refused[i], unnamed[i], bool(garbled[i])))
    return [creatives[i] for i in order]


def _shown(product: Product) -> dict[str, Any]:
    attributes = ";".join(f"{name}={value}" for name, value in product.attributes)
    return {**vars(product), "attributes": attributes}


def _field(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name, "")
    if not isinstance(value, str):
        raise InputError(f"{name}: give a text")
    if len(value) > LONGEST:
        raise InputError(f"{name}: at most {LONGEST} characters, these are {len(value):,}")
    return value.strip()


def _number(asked: Mapping[str, Any], name: str, default: float) -> float:
    given = asked.get(name, default)
    if isinstance(given, str):  # typed by a person: `89,90` and `€89.90` are numbers, too
        given = read_numbers(pd.DataFrame({name: [given]}), [name], (), ";", name)[0][name].iloc[0]
    value = pd.to_numeric(given, errors="coerce")
    if not 0 <= value < 1e12:
        raise InputError(f"{name}: give a number of zero or more, not {asked.get(name)!r}")
    return float(value)
