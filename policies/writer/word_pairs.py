"""The words that somebody has read, and which he has read side by side.

A small model that draws from its tail writes words that are none (`whenthefen`) and words that nobody puts together,
and finds both likelier than they are. What its corpus never says is known for certain.
"""

import gzip
import itertools
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ...simulation.data.errors import InputError
from ...simulation.data.files import write_whole

SELDOM = 3
"""A pair that was read less often than this was read seldom."""
FILE = "word_pairs.txt.gz"
"""Its name in a writer's directory."""
_WORD = re.compile(r"\{\{\w+\}\}|[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|[.,:;!?]")
_BEGIN, _END = "<s>", "</s>"


class Unread(NamedTuple):
    """What of a text was not read before."""

    words: int
    pairs: int
    seldom: int
    """Pairs that were read less than `SELDOM` times, those never read among them."""


def cut(text: str) -> list[str]:
    """Words in lower case, placeholders, numbers and the marks between them, from a begin to an end."""
    return [_BEGIN, *(word.lower() for word in _WORD.findall(text)), _END]


class WordPairs:
    """How often each pair of words was read, up to `SELDOM` times."""

    def __init__(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Keeps the counts."""
        self._counts = dict(counts)
        self._words = {word for pair in counts for word in pair}

    @classmethod
    def of(cls, templates: Iterable[str]) -> "WordPairs":
        """Counts the pairs of texts, whose placeholders are words."""
        counts: Counter[tuple[str, str]] = Counter()
        for template in templates:
            words = cut(template)
            counts.update(itertools.pairwise(words))
        return cls({pair: min(n, SELDOM) for pair, n in counts.items()})

    def unread(self, template: str, own: frozenset[str] = frozenset()) -> Unread:
        """What of a text was not read before; `own` words are known beside those that were."""
        words = cut(template)
        found = [self._counts.get(pair, 0) for pair in itertools.pairwise(words)]
        strange = sum(word not in self._words and word not in own for word in words)
        return Unread(strange, sum(n == 0 for n in found), sum(n < SELDOM for n in found))

    def save(self, directory: Path) -> None:
        """Writes `FILE`: a line for each first word, with each word after it and its count."""
        rows: dict[str, list[str]] = {}
        for (first, second), n in sorted(self._counts.items()):
            rows.setdefault(first, []).append(f"{second} {n}")
        text = "".join(f"{first} {' '.join(row)}\n" for first, row in rows.items())
        # Without a time or a name in its head, equal counts make equal files.
        write_whole(directory / FILE, lambda path: path.write_bytes(gzip.compress(text.encode(), mtime=0)))

    @classmethod
    def load(cls, directory: Path) -> "WordPairs | None":
        """What `save` wrote; None where nothing was.

        Raises:
            InputError: the file is torn or none of ours.
        """
        path = directory / FILE
        if not path.is_file():
            return None
        counts: dict[tuple[str, str], int] = {}
        try:
            for line in gzip.decompress(path.read_bytes()).decode().splitlines():
                first, *row = line.split(" ")
                counts.update({(first, word): int(n) for word, n in zip(row[::2], row[1::2], strict=True)})
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise InputError(f"{path}: torn, or no table of word pairs; take the directory anew") from error
        if not counts:
            raise InputError(f"{path}: is empty; take the directory anew")
        return cls(counts)
