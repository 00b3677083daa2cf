"""Whether a line says of a product only what its prompt supports: numbers, materials, promises, names, deadlines."""

import re
from functools import cache

from .words_files import SMALL, words

NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
TENS, PROMISES = words("claims")["amounts"], words("claims")["promises"]
COUNTED = {word: str(value) for value, word in enumerate([*SMALL, *words("claims")["teens"]]) if value > 1}


@cache
def materials() -> frozenset[str]:
    """Every word of a material that the word lists know."""
    lists = [family["facts"].get("material") or [] for family in words("trades")]
    known = [str(value) for values in lists for value in values] + words("facts")["material"]["values"]
    return frozenset(word for value in known for word in value.split() if len(word) > 2)


def unsupported(text: str, given: str) -> list[str]:
    """What a line says that is not in what was given: empty for a true line.

    Args:
        text: the line.
        given: all that is known of the product: title, brand, attributes.
    """
    known = given.lower()
    said = text.lower()
    has = {COUNTED.get(word, word) for word in re.findall(r"[a-z]+", known)} | set(NUMBER.findall(known))
    spoken = re.findall(r"[a-z]+", said)
    wrong = [number for number in NUMBER.findall(said) if number not in has]
    wrong += [word for word in spoken if word in COUNTED and word != "one" and COUNTED[word] not in has]
    wrong += [word for word in spoken if word in TENS and word not in known]
    wrong += [word for word in spoken if word in materials() and word not in known]
    wrong += [word for word in spoken if any(word.startswith(p) and p not in known for p in PROMISES)]
    return wrong + [name for name in _names(text) if name.lower() not in known]


def _names(text: str) -> list[str]:
    """Words with a capital that begin no sentence."""
    inner = re.finditer(r"(?<![.?!:\"] )(?<!^)\b([A-Z][\w'&-]+)", text)
    return [match.group(1).removesuffix("'s") for match in inner]


def on_product(text: str, title: str) -> bool:
    """Whether a line names a word of the title, in the singular or the plural."""
    said = {word.rstrip("s") for word in re.findall(r"\w+", text.lower())}
    return any(word.rstrip("s") in said for word in re.findall(r"\w+", title.lower()) if len(word) > 2)
