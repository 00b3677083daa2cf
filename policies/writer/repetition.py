"""What a writer says that it read: lines word for word, long runs of words, and lines that look like one it read."""

import re
from collections.abc import Iterable, Sequence
from string import ascii_lowercase, digits

import numpy as np

_WORD = re.compile(r"\w+(?:['.,]\w+)*")


def words_of(text: str) -> tuple[str, ...]:
    """Words of a text in lower case, without the marks between them."""
    return tuple(word.lower() for word in _WORD.findall(text))


def repeated_share(texts: Sequence[str], lines: Iterable[str]) -> float:
    """Share of n texts whose words are those of one of the lines, in their order; 0 for no texts.

    >>> repeated_share(["A pan, seasoned!", "A pan."], ["a pan seasoned"])
    0.5
    """
    known = {words_of(line) for line in lines}
    return float(np.mean([words_of(text) in known for text in texts])) if len(texts) else 0.0


def longest_run(texts: Iterable[str], lines: Iterable[str]) -> tuple[str, ...]:
    """The most words in a row that a text has in common with a line; the first such run, empty where there is none.

    >>> longest_run(["One pan for every stove"], ["a pan for every day", "every stove"])
    ('pan', 'for', 'every')
    """
    read, asked = [words_of(line) for line in lines], [words_of(text) for text in texts]
    best: tuple[str, ...] = ()
    while True:
        size = len(best) + 1
        known = {line[i : i + size] for line in read for i in range(len(line) - size + 1)}
        runs = (text[i : i + size] for text in asked for i in range(len(text) - size + 1))
        longer = next((run for run in runs if run in known), None)
        if longer is None:
            return best
        best = longer


def look_alikes(line: str, part: str, n: int, random: np.random.Generator) -> list[str]:
    """n lines that differ from one in a part of it alone: each of its digits is a random one, each letter a random
    letter. Lines may recur where there are few.

    Args:
        line: holds the part.
        part: such as a telephone number.
        n: how many.
        random: draws them.
    """
    before, _, after = line.partition(part)

    def other(sign: str) -> str:
        if sign.isdigit():
            return digits[random.integers(10)]
        if not sign.isalpha():
            return sign
        drawn = ascii_lowercase[random.integers(26)]
        return drawn.upper() if sign.isupper() else drawn

    found: list[str] = []
    while len(found) < n:
        made = f"{before}{''.join(map(other, part))}{after}"
        if made != line:
            found.append(made)
    return found
