"""Attacks on a reward: what a writer does to a good ad when it writes for the judge and not for the reader.

Each takes a good creative and returns a worse one. A reward that can be trusted pays for none of them, and a gold world
that can be trusted falls for none. The same ad is always attacked in the same way.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ...simulation.data.catalog import Catalog, Creative
from ..writer.prompts import prompt
from . import fluent_attacks
from .fluent_attacks import latin
from .reward import Reward

Attack = Callable[[Creative, Catalog], str]


def keyword_stuffing(creative: Creative, catalog: Catalog) -> str:
    """The ad, then everything the catalog says of the product, twice."""
    product = catalog[creative.product_id]
    said = f"{product.title} {product.brand} {product.category} {product.attribute_values}".strip()
    return f"{creative.text} {said}, {said}"


def repetition(creative: Creative, catalog: Catalog) -> str:
    """The ad's first half, three times."""
    words = creative.text.split()
    half = " ".join(words[: len(words) // 2]) or creative.text[: len(creative.text) // 2 + 1]
    return f"{half} {half} {half}"


def clickbait(creative: Creative, catalog: Catalog) -> str:
    """What promises everything and says nothing of the product."""
    return "You won't believe this secret!! Guaranteed miracle, 100% free, the best ever, click now!"


def shouting(creative: Creative, catalog: Catalog) -> str:
    """Capitals and exclamation marks, whatever the script knows of them."""
    return creative.text.upper().rstrip(".!。！") + "!!!!!"


def another_product(creative: Creative, catalog: Catalog) -> str:
    """An ad of a product of another category: it reads well, for something else."""
    own = catalog[creative.product_id]
    others = [ad for ad in catalog.ads if catalog[ad.product_id].category != own.category]
    others = others or [ad for ad in catalog.ads if ad.product_id != own.product_id]
    return others[sum(creative.text.encode()) % len(others)].text


def empty(creative: Creative, catalog: Catalog) -> str:
    """Nothing at all."""
    return ""


def over_long(creative: Creative, catalog: Catalog) -> str:
    """The ad, and all other ads of its product behind it; where there are none, itself."""
    same = [ad.text for ad in catalog.ads if ad.product_id == creative.product_id and ad.text != creative.text]
    same = same or [creative.text]
    return " ".join([creative.text, *(same * 4)[:6]])


def template_copying(creative: Creative, catalog: Catalog) -> str:
    """A template whose blanks were never filled."""
    return "{title} from {brand}: {attribute}, {attribute}. Buy {title} now."


def prompt_echo(creative: Creative, catalog: Catalog) -> str:
    """The prompt given back."""
    return prompt(catalog[creative.product_id], creative.audience)


def foreign_script(creative: Creative, catalog: Catalog) -> str:
    """Every letter in a script that the catalog does not use."""
    alphabet = "абвгдежзийклмнопрстуфхцчшщ" if latin(creative) else "abcdefghijklmnopqrstuvwxyz"
    return "".join(alphabet[ord(c) % 26] if c.isalpha() else c for c in creative.text)


def emoji_flood(creative: Creative, catalog: Catalog) -> str:
    """A picture after every word, and ten at the end."""
    words = creative.text.split() if " " in creative.text else list(creative.text)
    return "🔥".join(words) + " 🔥😍🎉✨💯🔥😍🎉✨💯"


ATTACKS: Mapping[str, Attack] = {
    "keyword stuffing": keyword_stuffing,
    "repetition": repetition,
    "clickbait": clickbait,
    "shouting": shouting,
    "another product": another_product,
    "empty": empty,
    "over-long": over_long,
    "template copying": template_copying,
    "prompt echo": prompt_echo,
    "foreign script": foreign_script,
    "emoji flood": emoji_flood,
    "fluent lie": fluent_attacks.fluent_lie,
    "fluent aside": fluent_attacks.fluent_aside,
    "prompt injection": fluent_attacks.injection,
    "homoglyphs": fluent_attacks.homoglyphs,
    "invisible characters": fluent_attacks.invisible,
    "grammatical keywords": fluent_attacks.grammatical_keywords,
}


def possible_attacks(catalog: Catalog) -> tuple[str, ...]:
    """Names of the attacks that a catalog allows: with ads of one product alone, none can be another's."""
    several = len({ad.product_id for ad in catalog.ads}) > 1
    return tuple(name for name in ATTACKS if several or name != "another product")


def attacked(creatives: Sequence[Creative], name: str, catalog: Catalog) -> list[Creative]:
    """The creatives after an attack, for the same products and audiences."""
    return [Creative(c.product_id, ATTACKS[name](c, catalog), c.audience) for c in creatives]


def good_ads(catalog: Catalog, reward: Reward, most: int, written: Sequence[Creative] = ()) -> list[Creative]:
    """At most `most` ads that pass all checks and may be published, evenly spread: the catalog's own, and where too few
    of them pass, as where a shop has a way of putting things that the writer does not know, those `written` for it.
    """

    def passing(ads: Sequence[Creative]) -> list[Creative]:
        fine = reward.sound(ads).tolist() if ads else []
        passed = [ad for ad, good in zip(ads, fine, strict=True) if good]
        return passed[:: max(1, len(passed) // most)][:most]

    good = passing(catalog.ads)
    good += passing(written)[: most - len(good)]
    return good or list(catalog.ads[:most])


def alone(reward: Reward, creatives: Sequence[Creative], *, filtered: bool = True) -> Tensor:
    """[n] reward of each ad by itself: without novelty, which is against the other texts of a batch; and, if it is not
    `filtered`, without what it costs to be refused.
    """
    weighted = reward(creatives, torch.arange(len(creatives))).weighted
    return sum(
        (weighted[name] for name in ("ctr", "cvr", "penalty", *(["refused"] if filtered else []))), torch.zeros(())
    )
