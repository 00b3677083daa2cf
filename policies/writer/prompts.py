"""What the writer is given: the prompt, and how it words what a catalog knows of a product."""

import re

from ...simulation.data.catalog import EVERYONE, Product
from .placeholders import EMPTY, is_measure, is_plural

SHOWN_ATTRIBUTES = 2
"""How many attributes a prompt shows; every token of a prompt costs time at every step."""
MOST_WORDS = 4
"""Words beyond which the value of an attribute stands without its name."""
SAID_BY_ITSELF = re.compile(
    r"(?:main |outer )?(?:materials?|fabrics?|colou?rs?)|care|origin|country|made|type|kind|style|features?|level|when"
    r"|where|place|format|genre|platform|closure|source|processing|ingredients?|notes?|count|pack|contents|use|time|by"
    r"|needs",
    re.IGNORECASE,
)
"""Names of attributes whose values say by themselves what they are: `walnut`, and not `walnut material`."""
OF_THE_WHOLE = re.compile(
    r"(?:net |total )?(?:sizes?|dimensions?|length|width|height|diameter|weight|volume|power|duration|playing time)"
    r"|storage|age|price",
    re.IGNORECASE,
)
"""Names of attributes whose measures are those of the product itself: `210 g`, and not `210 g weight`."""
YES, NO = ("yes", "true", "y"), ("no", "false", "n", "-")
AFTER_NAME = re.compile(r"included|built[ -]in|optional|free|removable|adjustable", re.IGNORECASE)
"""Values that follow what they speak of: `tripod included`."""
BY_ITSELF = re.compile(
    r"(?:in|by|from|within|up to|for|at|inside|with|through|on|no|set of) .*|.* (?:a|an|each|the)\b.*"
)
"""Values that end a thought."""
PLURAL_UNIT = re.compile(r"(\d[\d.,]*) (\w+[^\Ws])s")
AGES = re.compile(r"(?P<low>\d+)(?:\+|-(?P<high>\d+))")
WHOLE_NUMBER = re.compile(r"\d+")


PROMPT_END = " =>"
"""Ends a prompt, and stands nowhere else in it."""


def prompt(product: Product, audience: str = EVERYONE, shown: int = SHOWN_ATTRIBUTES) -> str:
    """What the writer is given: title, brand, what the first attributes say and the audience, ended by an arrow.

    What there is nothing of is `-`.
    """
    details = [detail(name, value) for name, value in shown_attributes(product, shown)]
    parts = [product.title, product.brand, ", ".join(details), audience]
    return " | ".join(part.replace("=>", "->").replace(" | ", " / ") or EMPTY for part in parts) + PROMPT_END


def shown_attributes(product: Product, shown: int = SHOWN_ATTRIBUTES) -> list[tuple[str, str]]:
    """The first attributes of which something can be said that the title does not say."""
    title = product.title.lower()
    known = ((name, value, detail(name, value)) for name, value in product.attributes)
    return [(name, value) for name, value, said in known if said and said.lower() not in title][:shown]


def detail(name: str, value: str) -> str:
    """What an attribute says, in words that copy can take over.

    Args:
        name: of the attribute, such as `bowl`; nothing, where the value says all.
        value: such as `5 quart`.

    Returns:
        `5 quart bowl`, `walnut handle`, `6 buttons`, `tripod included`, `210 g`, `ages 3 and up`; nothing where nothing
        can be said: a no, or a number of what nobody knows (`season=3`).
    """
    name, value = name.strip().replace("_", " "), value.strip()
    if not name or not value:
        return value
    if not f"{name}{value}".isascii():
        return value if any(char.isalpha() for char in value) else f"{name} {value}"
    if value.lower() in (*YES, *NO):
        return name if value.lower() in YES else ""
    if value.lower() == "none":
        return f"no {name}"
    if AFTER_NAME.fullmatch(value):
        return f"{name} {value}"
    if name.lower() in ("age", "ages") and (ages := AGES.fullmatch(value)):
        return f"ages {ages['low']} and up" if ages["high"] is None else f"ages {ages['low']} to {ages['high']}"
    if WHOLE_NUMBER.fullmatch(value):
        return f"{value} {name}" if is_plural(name) and value != "1" else ""
    if any(char.isalpha() for char in value) and _says_all(name, value):
        return value
    return f"{PLURAL_UNIT.sub(_singular, value)} {name}"


def _singular(match: re.Match[str]) -> str:
    """`9 day` of `9 days`, which go before a noun."""
    return f"{match[1]} {match[2]}"


def _says_all(name: str, value: str) -> bool:
    """Whether a value needs no name beside it."""
    return (
        SAID_BY_ITSELF.fullmatch(name) is not None
        or (is_measure(value) and OF_THE_WHOLE.fullmatch(name) is not None)
        or any(word.rstrip("s") in value.lower() for word in re.findall(r"\w+", name.lower()))
        or BY_ITSELF.fullmatch(value) is not None
        or len(f"{value} {name}".split()) > MOST_WORDS
    )
