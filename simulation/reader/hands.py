"""Hands that garble: what a bad writer, a bad editor or a bad translation does to a line that was well put.

A hand takes the words of a line, other lines to borrow from, and a generator; it gives the garbled words back, or None
where it finds nothing to spoil. Capitals and full stops stay where they were as far as a hand can keep them: garbled
copy is to be told by its language.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

Words = list[str]
Hand = Callable[[Words, Sequence[str], np.random.Generator], Words | None]

_FUNCTION = """
    a an the and or but nor so if as than then that this these those there here it its you your yours we our ours us i
    my me he she his her they their them who whom whose which what when where why how is are was were be been being am
    do does did done has have had having will would can could may might must shall should not no of in on at by for
    with from to into onto over under up down out off about through between after before until while because without
    within against during toward per each every any some all both
"""
FUNCTION = frozenset(_FUNCTION.split())
"""Function words of English: what holds a sentence together."""
_DANGLING = (
    "a an the and or of in on at by for with from to into your our my its their his than as is are that if every"
)
DANGLING = frozenset(_DANGLING.split())
"""Words that no line ends with."""
WRONG = {
    "a": "an", "an": "a", "is": "are", "are": "is", "was": "were", "were": "was", "has": "have", "have": "has",
    "this": "these", "these": "this", "that": "those", "those": "that", "does": "do", "do": "does", "it": "they",
    "they": "it", "you": "he", "we": "she", "your": "yours", "our": "ours", "my": "mine", "their": "them", "to": "at",
    "in": "from", "for": "of", "with": "to", "of": "on", "on": "of", "at": "for", "by": "to", "will": "was",
    "can": "is", "not": "no", "who": "which", "where": "whose", "be": "been", "the": "these",
}  # fmt: skip
"""A function word, and one of another number, person, case or government."""
_EDGES = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)


@lru_cache(maxsize=2**16)
def _bare(word: str) -> str:
    return _EDGES.sub(r"\2", word).lower()


def _said(text: str) -> list[str]:
    return [bare for word in text.split() if (bare := _bare(word))]


def _within(word: str, core: str) -> str:
    """A word's marks around another core."""
    return _EDGES.sub(lambda found: found[1] + core + found[3], word)


def _placed(words: Words, order: Sequence[int]) -> Words:
    """The words in another order; marks and the first capital stay in their places."""
    cores = [_EDGES.sub(r"\2", words[i]) for i in order]
    if words[0][:1].isupper():
        cores[0] = cores[0][:1].upper() + cores[0][1:]
    return [_within(word, core) for word, core in zip(words, cores, strict=True)]


def _unlike(words: Words, changed: Words | None) -> Words | None:
    same = changed is not None and [_bare(word) for word in words] == [_bare(word) for word in changed]
    return None if same else changed


def shuffled(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """All words in any order."""
    if len(words) < 5:
        return None
    return _unlike(words, _placed(words, random.permutation(len(words)).tolist()))


def swapped(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """Neighbours change places, one pair in five words, across a function word where there is one."""
    order = list(range(len(words)))
    spots = [i for i in range(len(words) - 1) if _bare(words[i]) in FUNCTION or _bare(words[i + 1]) in FUNCTION]
    random.shuffle(spots)
    for i in spots[: max(1, len(words) // 5)]:
        order[i], order[i + 1] = order[i + 1], order[i]
    return _unlike(words, _placed(words, order)) if spots else None


def spliced(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """Words run into halves of other words, as subword models do: «warranty zero» becomes «warrzero»."""
    long = [i for i, word in enumerate(words) if len(_bare(word)) > 4 and word.isascii()]
    strange = [word for word in _borrowed(others, random).split() if len(_bare(word)) > 4]
    if not long or not strange:
        return None
    out = list(words)
    for i in random.choice(long, size=min(len(long), 1 + int(random.integers(2))), replace=False):
        core, other = _EDGES.sub(r"\2", words[i]), _bare(strange[int(random.integers(len(strange)))])
        cut, kind = int(random.integers(2, len(core) - 1)), int(random.integers(3))
        made = core[:cut] + other[int(random.integers(1, len(other) - 1)) :] if kind else f"{core[:cut]} {core[cut:]}"
        out[i] = _within(words[i], made)
    return out


def cut(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """The end is missing: it stops after a word that leads on, or within a word."""
    spots = [i for i in range(2, len(words) - 1) if _bare(words[i]) in DANGLING and words[i][-1:].isalpha()]
    if spots and random.random() < 0.75:
        end = spots[int(random.integers(len(spots)))]
        return words[: end + 1] if random.random() < 0.7 else [*words[:end], words[end] + "."]
    long = [i for i in range(2, len(words)) if len(_bare(words[i])) > 5]
    if not long:
        return None
    end = long[int(random.integers(len(long)))]
    return [*words[:end], _EDGES.sub(r"\2", words[end])[: int(random.integers(2, 4))]]


def repeated(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """A clause or a word is said again, at once or at the end."""
    size = int(random.integers(1, 6))
    if len(words) < size + 2:
        return None
    first = int(random.integers(len(words) - size))
    span = words[first : first + size]
    where = first + size if size < 3 or random.random() < 0.5 else len(words)
    times = 1 if size > 1 else int(random.integers(1, 4))
    return [*words[:where], *(span * times), *words[where:]]


def dropped(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """Function words are missing."""
    spots = [i for i, word in enumerate(words) if _bare(word) in FUNCTION]
    if len(spots) < 3:
        return None
    gone = set(random.choice(spots, size=max(2, int(0.8 * len(spots))), replace=False).tolist())
    return [word for i, word in enumerate(words) if i not in gone]


def disagreeing(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """Wrong number, person, case or preposition, at two places or more."""
    spots = [i for i, word in enumerate(words) if _bare(word) in WRONG]
    if len(spots) < 2:
        return None
    out = list(words)
    for i in random.choice(spots, size=max(2, int(0.7 * len(spots))), replace=False):
        out[i] = _within(words[i], WRONG[_bare(words[i])])
    return out


def glued(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """Half of this line, then half of another; both are cut inside a clause."""
    other = _borrowed(others, random).split()
    left = [i for i in range(2, len(words)) if words[i - 1][-1:].isalpha()]
    right = [i for i in range(1, len(other) - 1) if other[i - 1][-1:].isalpha()]
    if not left or not right:
        return None
    end, start = left[int(random.integers(len(left)))], right[int(random.integers(len(right)))]
    # Cut after a word that leads on, into a word that nothing leads to, where there is one.
    leading = [i for i in left if _bare(words[i - 1]) in FUNCTION]
    if leading and random.random() < 0.7:
        end = leading[int(random.integers(len(leading)))]
        joining = [i for i in right if _bare(other[i]) in FUNCTION]
        start = joining[int(random.integers(len(joining)))] if joining else start
    return [*words[:end], *other[start:]]


def intruded(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """Some words of another line stand in the middle."""
    other = _borrowed(others, random).split()
    if len(words) < 4 or len(other) < 4:
        return None
    size, where = int(random.integers(2, 5)), int(random.integers(1, len(words) - 1))
    first = int(random.integers(max(1, len(other) - size)))
    return [*words[:where], *other[first : first + size], *words[where:]]


def replaced(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """A third of the words are any other words."""
    if len(words) < 4:
        return None
    strange = " ".join(_borrowed(others, random) for _ in range(3)).split()
    out = list(words)
    for i in random.choice(len(words), size=max(2, len(words) // 3), replace=False):
        out[i] = _within(words[i], _EDGES.sub(r"\2", strange[int(random.integers(len(strange)))]))
    return _unlike(words, out)


def reversed_order(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """Last word first."""
    return _unlike(words, _placed(words, list(range(len(words)))[::-1])) if len(words) > 4 else None


def interleaved(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """A word of this line, a word of another, and so on."""
    other = _borrowed(others, random).split()
    if min(len(words), len(other)) < 4:
        return None
    return [word for pair in zip(words, other, strict=False) for word in pair]


def letters(words: Words, others: Sequence[str], random: np.random.Generator) -> Words | None:
    """Letters within words change places."""
    long = [i for i, word in enumerate(words) if len(_bare(word)) > 4]
    if len(long) < 2:
        return None
    out = list(words)
    for i in long:
        core = list(_EDGES.sub(r"\2", words[i]))
        inner = core[1:-1]
        random.shuffle(inner)
        out[i] = _within(words[i], "".join([core[0], *inner, core[-1]]))
    return _unlike(words, out)


def _borrowed(others: Sequence[str], random: np.random.Generator) -> str:
    return others[int(random.integers(len(others)))]


HANDS: Mapping[str, Hand] = {
    "shuffled": shuffled,
    "swapped": swapped,
    "spliced": spliced,
    "cut": cut,
    "repeated": repeated,
    "dropped": dropped,
    "disagreeing": disagreeing,
    "glued": glued,
    "intruded": intruded,
    "replaced": replaced,
}
"""Hands that the reader is fitted on."""
UNSEEN: Mapping[str, Hand] = {"reversed": reversed_order, "interleaved": interleaved, "letters": letters}
"""Hands that it is not fitted on: they show whether it reads, or knows its garblers."""


def garbled(text: str, hand: Hand, others: Sequence[str], random: np.random.Generator) -> str | None:
    """A text after a hand; None where the hand finds nothing to spoil."""
    words = text.split()
    found = hand(words, others, random) if len(words) > 2 else None
    line = None if found is None else " ".join(found)
    return None if line is None or _said(line) == _said(text) else line
