"""A grammar of product copy whose facts come from the product: what a line says of it, its prompt says too."""

import re
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from ..writer.placeholders import is_measure, takes_an
from .invent import Invented
from .words_files import BRACES, drawn, marked, pick, verb, words

SLOT = re.compile(r"\{(\w+?)(_c)?\}")
OF_ONE = re.compile(r"\b(?:is|was|has|does|this|it|its|one|a|an|another)\b|\{title\}[^.,:;?]*? \w+s\b", re.IGNORECASE)
"""Phrases that speak of one thing, not of several or of what is uncounted."""
OF_NAME = re.compile(r"\b(the) (?=\{title\})", re.IGNORECASE)
"""An article that a name goes without; in phrases that have another word before the title no name fits."""
NO_NOUN = re.compile(
    r"(?:from|yours|up to|ages|fun|in|at|for|sale|by|only|all|made|woven|sewn|knitted|grown|roasted|hand|runs|works"
    r"|reads|serves|waterproof|anodized|washable|licensed|certified)\b"
)
"""Noun phrases of facts that begin so are none to a verb."""
OF_THINGS = " of things"
"""Ends the name of an appeal whose phrases are for what has a body."""
SHORTEST, LONGEST = 24, 120
"""Characters of a line."""


class Missing(Exception):
    """The product lacks what a shape asks for."""


def lines(
    made: Invented, shown: int, audience: str, random: np.random.Generator, *, phrases: bool = False
) -> Iterator[str]:
    """Different lines for a product, without end for as long as the grammar has any.

    Args:
        made: the product.
        shown: how many attributes its prompt shows; no line speaks of others.
        audience: whom the prompt names.
        random: draws.
        phrases: whether lines are phrases for any product, and not sentences of its trade.
    """
    seen: set[str] = set()
    misses = 0
    while misses < 200:
        try:
            line = Speaker(made, shown, audience, random).line(phrases)
        except Missing:
            misses += 1
            continue
        if line in seen or not SHORTEST <= len(line) <= LONGEST:
            misses += 1
            continue
        seen.add(line)
        yield line


class Speaker:
    """Fills one shape for one product; nothing is said twice."""

    def __init__(self, made: Invented, shown: int, audience: str, random: np.random.Generator) -> None:
        """Keeps what may be said: see `lines`."""
        self.made, self.random, self.audience = made, random, audience
        self.form = "many" if made.number == "many" else "one"
        self.facts = [made.said[i] for i in random.permutation(min(shown, len(made.said)))]
        self.used: set[str] = set()

    def line(self, phrase: bool = False) -> str:
        """One line: a phrase for any product, or what its trade can say.

        Raises:
            Missing: the shape that was drawn does not fit the product.
        """
        shape = pick(_phrases(self.made.number, self.made.is_thing), self.random) if phrase else self._shape()
        text = SLOT.sub(self._slot, shape)
        text = re.sub(r"\[([^|\]]*)\|([^\]]*)\]", r"\2" if self.form == "many" else r"\1", text)
        text = marked(text, self.form)
        if "^" in text or "{" in text:
            raise AssertionError(f"not filled: {text}")
        return tidy(text)

    def _shape(self) -> str:
        shapes, kinds = words("shapes"), [kind for kind, _ in self.facts]
        if self.audience != "everyone" and self.random.random() < 0.07:
            return pick(shapes["audience"], self.random)
        if {"price", "asked", "offer"} & set(kinds) and self.random.random() < 0.3:
            self.facts.sort(key=lambda pair: pair[0] not in ("price", "asked", "offer"))
            return pick(shapes["price"], self.random)
        shape = pick(shapes["plain"], self.random)
        # Copy names its brand less often than its product.
        return pick(shapes["plain"], self.random) if "{brand" in shape and self.random.random() < 0.6 else shape

    def _slot(self, match: re.Match[str]) -> str:
        name, case = match.groups()
        fill: Callable[[], str] = getattr(self, f"_{name.rstrip('2')}", self._phrase_of(name.rstrip("2")))
        text = fill()
        return text[:1].upper() + text[1:] if case else text

    def _phrase_of(self, name: str) -> Callable[[], str]:
        return lambda: self._unused(list(self.made.family.get(name, ())))

    def _unused(self, items: list[str]) -> str:
        left = [item for item in items if item not in self.used]
        if not left:
            raise Missing
        chosen = pick(left, self.random)
        self.used.add(chosen)
        return chosen

    # What stands for the product.

    def _title(self) -> str:
        return self.made.product.title

    def _the(self) -> str:
        return self._title() if self.made.number == "name" else f"the {self._title()}"

    def _a(self) -> str:
        return article(self._title()) if self.made.number == "one" else self._title()

    def _short(self) -> str:
        if self.made.number == "name":
            raise Missing
        return self.made.short

    def _a_short(self) -> str:
        return article(self._short()) if self.made.number == "one" else self._short()

    def _our(self) -> str:
        return f"our {self._plain_title()}"

    def _your(self) -> str:
        return f"your {self._plain_title()}"

    def _plain_title(self) -> str:
        if self.made.number == "name":
            raise Missing
        return self._title()

    def _brand(self) -> str:
        name = self.made.product.brand
        if not name or name in self._title():
            raise Missing
        return name

    def _brand_title(self) -> str:
        return f"{self._brand()} {self._plain_title()}"

    def _brand_short(self) -> str:
        return f"{self._brand()} {self._short()}"

    # Facts, each said once.

    def _np(self) -> str:
        return self._fact("np")

    def _detail(self) -> str:
        """A fact as it is, which any verb can take; no measure, of which a verb would have to say what it measures."""
        text = self._fact("np", plain=True)
        if "," in text or NO_NOUN.match(text):
            raise Missing
        return text

    def _post(self) -> str:
        return self._fact("post")

    def _vp(self) -> str:
        return verb(self._fact("vp"), self.form)

    def _fact(self, form: str, *, plain: bool = False) -> str:
        for kind, value in self.facts:
            ways = words("facts")[kind].get(form)
            if kind in self.used or not ways or value.lower() in self._title().lower():
                continue
            if plain and is_measure(value):
                continue
            self.used.add(kind)
            ways = [way for way in ("a {v}", "{v}") if plain and way in ways][:1] or ways
            return pick(ways, self.random).replace("{v}", value)
        raise Missing

    # What it does, and for whom.

    def _does(self) -> str:
        return verb(self._unused(self.made.family["does"]), self.form)

    def _do(self) -> str:
        return verb(self._unused(self.made.family["does"]), "infinitive")

    def _scene(self) -> str:
        return self._unused(self.made.family["scenes"])

    def _use(self) -> str:
        return self._unused(self.made.family.get("for", []))

    def _for(self) -> str:
        return self._unused([*self.made.family.get("for", []), *self.made.family.get("people", [])])

    def _who(self) -> str:
        return self.audience


@cache
def _phrases(number: str, thing: bool) -> tuple[str, ...]:
    """Phrases that fit a product of one, many, a mass or a name; of things, if it is one."""
    appeals = words("phrases")
    known = tuple(p for appeal, said in appeals.items() if thing or not appeal.endswith(OF_THINGS) for p in said)
    if number == "one":
        return known
    of_any = tuple(phrase for phrase in known if not OF_ONE.search(phrase))
    if number != "name":
        return of_any
    return tuple(OF_NAME.sub("", p) for p in of_any if len(OF_NAME.findall(p)) == p.count("{title}"))


def tidy(text: str) -> str:
    """Sentences begin with a capital; no mark of punctuation stands twice."""
    text = re.sub(r"([.?!])[.]", r"\1", text)
    text = re.sub(r"\b(?:for|at|in|with|has|up to) (from|up to|for|in|at|sale)\b", r"\1", text)
    text = re.sub(r"\b([Aa]) (\w+)", lambda match: f"{match[1]}{'n' if takes_an(match[2]) else ''} {match[2]}", text)
    text = re.sub(r"(^|[.?!] )([a-z])", lambda match: match.group(1) + match.group(2).upper(), text)
    return text.strip()


def article(noun: str) -> str:
    """`a skillet`, `an hour`."""
    return f"{'an' if takes_an(noun) else 'a'} {noun}"


def headline(random: np.random.Generator) -> tuple[str, str]:
    """A story in a sentence, and a headline for it."""
    lists = words("headlines")
    known = {name: drawn(pick(items, random), random)[0] for name, items in lists["words"].items()}
    kind = pick(lists["stories"], random)
    story = pick(kind["stories"], random)
    told = set(BRACES.findall(story))
    head = pick([head for head in kind["heads"] if set(BRACES.findall(head)) <= told] or [story], random)
    story, head = (tidy(drawn(text, random, known)[0]) for text in (story, head))
    return story, head.title().replace("'S", "'s") if random.random() < 0.2 else head
