"""Placeholders: what stands in a text for the product's own words, as in the dynamic ads of a product feed.

A small model that has read a few million words knows what can be said of a thing, and cannot spell a name that it never
saw. So it writes `Meet the {{title}}: {{time1}} and no more.`, and the words come from its prompt: a title is never
garbled, and a figure is always one that the product has, of the kind that the sentence speaks of: a tent may weigh
`{{weight1}}` and not `{{time1}}`. (Delexicalisation, as in Wen et al., EMNLP 2015.)
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tokenizers import AddedToken

from ...simulation.data.catalog import EVERYONE
from .agreement import agreeing

DETAILS = 6
"""Details of a prompt that have a placeholder."""
MEASURES = 2
"""Measures of one kind that have one."""
EMPTY = "-"
"""What a prompt shows where the product has nothing."""
NUMBER = r"(?<![\w.,$€£¥])[$€£¥]?\d+(?:[.,:x×]\d+)*"
"""A number as it stands in a text, with its currency, `165x125` and `10:30` being one."""
UNITS: dict[str, dict[str, tuple[str, ...]]] = {
    "time": {
        "hours": ("h", "hr", "hrs", "hour"),
        "minutes": ("min", "mins", "minute"),
        "seconds": ("sec", "second"),
        "days": ("day",),
        "nights": ("night",),
        "weeks": ("week",),
        "months": ("month",),
        "years": ("year",),
    },
    "size": {
        "metres": ("m", "metre", "meter", "meters"),
        "square metres": ("sq m", "square metre"),
        "square feet": ("sq ft", "square foot"),
        "inches": ("inch", "in"),
        **dict.fromkeys(("cm", "mm", "km", "ft"), ()),
    },
    "weight": dict.fromkeys(("kg", "g", "mg", "oz", "lb"), ()),
    "volume": {"litres": ("l", "litre", "liter", "liters"), "quarts": ("quart", "qt"), "ml": ()},
    "power": {"watts": ("w", "watt"), "kW": (), "mAh": ()},
    "storage": {"GB": (), "TB": ()},
    "people": {"people": ("person",), "players": ("player",), "guests": ("guest",)},
    "money": {"euros": ("euro",), "dollars": ("dollar",)},
}
"""Kinds of measures, each with its units as copy says them, and how catalogs shorten them."""
NAMES = (
    "title",
    "noun",
    "brand",
    "audience",
    *(f"detail{i + 1}" for i in range(DETAILS)),
    *(f"{kind}{i + 1}" for kind in UNITS for i in range(MEASURES)),
)
PLACE = re.compile(r"(?:(?<!\w)(?P<article>[Aa])n? )?\{\{(?P<name>\w+)\}\}")
_WAYS = {unit: ways for units in UNITS.values() for unit, ways in units.items()}
_SAID = {way.lower(): unit for unit, ways in _WAYS.items() for way in (unit, *ways)}
_KIND = {unit: kind for kind, units in UNITS.items() for unit in units}
_UNIT = "|".join(re.escape(way) for way in sorted(_SAID, key=len, reverse=True))
_MEASURE = re.compile(rf"({NUMBER}(?: x \d+(?:\.\d+)?)*)(?:[ -]?({_UNIT}))?", re.IGNORECASE)
_AFTER_NOUN = re.compile(
    r",| - |\(| (?:for|in|of|on|to|with|by|at|from|and|through|off|about|around|without|under|near) ",
    re.IGNORECASE,
)
_BEGINS = re.compile(r"(?:^|[.?!]\s+)$")
_VOWEL = re.compile(r"(?!eu|uni|use|one\b|onc)[aeiou]|hour|honest|heir|8|11\b|18\b", re.IGNORECASE)


def takes_an(word: str) -> bool:
    """Whether its article is `an`."""
    return _VOWEL.match(word) is not None


def is_plural(title: str) -> bool:
    """Whether a title is of several things, by the look of its noun: `knives`, and neither `glass` nor `lens`."""
    return re.search(r"(?<![aius])s$", head_noun(title)) is not None and not head_noun(title).endswith("lens")


def head_noun(title: str) -> str:
    """What a thing is in a word: the last one of a title before a preposition or a comma, `skillet` of `Cast Iron
    Skillet with Lid`, and of `Pruning Shears 21 cm` it is `shears`.
    """
    words = _AFTER_NOUN.split(title, maxsplit=1)[0].split()
    while len(words) > 1 and _is_measure(words):
        words.pop()
    last = words[-1] if words else title
    return last.lower() if last.istitle() else last


def _is_measure(words: Sequence[str]) -> bool:
    """Whether a title's last word is a number, the unit of one, or what announces one."""
    last = words[-1].lower()
    unit = last in _SAID and any(map(str.isdigit, words[-2]))
    return unit or last in ("no.", "nr.", "size") or any(map(str.isdigit, last))


@lru_cache(65536)
def held(prompt: str) -> dict[str, str]:
    """What a prompt holds by the name of its placeholder: title, noun, brand, audience, details, measures by kind."""
    parts = prompt.removesuffix(" =>").split(" | ")
    title, brand, told, audience = (*parts, *[EMPTY] * 4)[:4]
    details = [] if told == EMPTY else told.split(", ")
    named = "" if title.endswith((".", "?", "!")) else head_noun(title)  # a sentence is a story, and no thing
    found = {"title": title, "noun": named, "brand": brand, "audience": audience}
    counted: Counter[str] = Counter()
    for i, text in enumerate(details[:DETAILS]):
        kind, said = _measure(text)
        if kind:
            counted[kind] += 1
            if counted[kind] <= MEASURES:
                found[f"{kind}{counted[kind]}"] = said
        elif any(map(str.isalpha, text)):
            found[f"detail{i + 1}"] = text
    return {name: text for name, text in found.items() if text and text not in (EMPTY, EVERYONE)}


def is_measure(text: str) -> bool:
    """Whether a text is a number with its unit, and nothing beside it."""
    return _measure(text)[0] != ""


@lru_cache(65536)
def _measure(text: str) -> tuple[str, str]:
    """The kind of a measure, and how copy says it: `2.6 litres` of `2.6 L`, `1 hour` of `1 h`; else two blanks."""
    match = _MEASURE.fullmatch(text)
    if match is None:
        return "", ""
    number, unit = match.groups()
    if unit is None:
        return ("money", text) if number[0] in "$€£¥" else ("", "")
    said = _SAID[unit.lower()]
    kind = _KIND[said]
    if number == "1" and _WAYS[said]:
        said = {"people": "person", "inches": "inch", "square feet": "square foot"}.get(said, said.removesuffix("s"))
    return kind, f"{number} {said}"


def _spelled(value: str) -> str:
    """A pattern for a measure of `held`, in whichever way its unit is written."""
    number, _, said = value.partition(" ")
    unit = _SAID.get(said.lower(), "")
    spelled = "|".join(re.escape(way) for way in (unit, *_WAYS[unit], said)) if unit else ""
    return rf"{re.escape(number)}[ -]?(?:{spelled})" if spelled else re.escape(value)


def _is_name(name: str) -> bool:
    """Whether a placeholder stands for words, and not for a measure."""
    return name in ("title", "noun", "brand", "audience") or name.startswith("detail")


def to_template(text: str, prompt: str) -> str:
    """The text with placeholders for what its prompt holds, the longest first; `filled` is its inverse but for case."""
    own = {word.lower() for word in held(prompt).get("title", "").split()}

    def one(match: re.Match[str]) -> str:
        # Of `cast iron skillet` the last word stands for the thing, but not in `iron skillet`.
        before = match["before"].strip("\"'([").lower()
        name = str(match.lastgroup)
        return match[0] if name == "noun" and before in own else f"{match['before']} {{{{{name}}}}}"

    template = _values(prompt).sub(one, f" {text}")[1:]
    return re.sub(r"(?<!\w)([Aa])n (?=\{\{)", r"\1 ", template)


@lru_cache(1024)
def _values(prompt: str) -> re.Pattern[str]:
    """Finds what a prompt holds in a text, after a space; the group that matched has its name."""
    values = held(prompt)
    order = sorted(values, key=lambda name: (name == "noun", not _is_name(name), -len(values[name])))
    forms = {name: (re.escape if _is_name(name) else _spelled)(values[name]) for name in order}
    either = "|".join(rf"(?P<{name}>{form})" for name, form in forms.items())
    return re.compile(rf"(?P<before>\S*) (?:{either})(?!\w)" if either else r"(?!)", re.IGNORECASE)


def filled(template: str, prompt: str) -> str:
    """The text: each placeholder is what the prompt holds, or nothing; sentences begin with a capital, and articles and
    verbs agree.
    """
    values = held(prompt)
    several = is_plural(values.get("noun") or values.get("title", ""))
    template = agreeing(template[:1].upper() + template[1:], several)

    def one(match: re.Match[str]) -> str:
        value, article = values.get(match["name"], ""), match["article"]
        begins = _BEGINS.search(template[: match.start()]) is not None or article == "A"
        if article and match["name"] in ("title", "noun") and is_plural(value):
            article = ""
        if article:
            return f"{article}{'n' if takes_an(value) else ''} {value}"
        return value[:1].upper() + value[1:] if begins else value

    return PLACE.sub(one, template)


def give_placeholders(tokenizer: Any) -> None:
    """Makes each placeholder, with the space before it, one token of a tokenizer."""
    tokenizer.add_tokens([AddedToken(f" {{{{{name}}}}}", normalized=False) for name in NAMES])


def placeholders_of(tokenizer: Any) -> dict[int, str]:
    """The names of a tokenizer's placeholders by id; none for one that was never given any."""
    known = tokenizer.get_added_vocab()
    return {known[text]: name for name in NAMES if (text := f" {{{{{name}}}}}") in known}


def unknown_placeholders(tokenizer: Any) -> list[str]:
    """Placeholders that a tokenizer has and nothing here fills: those of another version."""
    known = {f" {{{{{name}}}}}" for name in NAMES}
    return sorted(
        text.strip() for text in tokenizer.get_added_vocab() if PLACE.fullmatch(text.strip()) and text not in known
    )
