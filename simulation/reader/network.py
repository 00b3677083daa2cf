"""The reader's network: does a line stumble, and where?

A common word is two vectors, what it is and what it leads to; how well a word goes with the ones before it is a product
of theirs. Any word is also the mean of its letter groups' embeddings. Two convolutions read places with their
neighbours, three on each side; each place says how much a reader stumbles there, and the line is judged by its worst
places and by its usual ones. It is discriminative: it knows clean lines from garbled ones, and gives no text a
probability.
"""

import re
import unicodedata
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from .spelling import Spelling

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,:]\d+)*|[^\w\s]|_")
PAD, UNKNOWN, NUMBER, SPECIAL = 0, 1, 2, 3
"""Rows of what is no common word: the border of a line, unknown words, numbers; common words come from SPECIAL on."""
STRANGE = 3
"""Which of the marks says that a word is spelled like none."""
LONGEST = 64
"""Words that are read; what comes after them is not."""
MARKS = 8
"""A place is the border, a mark of punctuation, a number, a word that is spelled like none; its word stood before
in the line, just before, or as part of two or of three words that did."""


@lru_cache(maxsize=2**16)
def read_words(text: str) -> tuple[str, ...]:
    """Words in lower case, numbers, and single marks; straight quotes for curly ones."""
    plain = unicodedata.normalize("NFKC", text).replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    return tuple(_WORD.findall(plain.lower())[:LONGEST])


@dataclass(frozen=True)
class ReaderSizes:
    """Sizes of the network."""

    grams: int = 4096
    """Rows of the table of letter groups, which share rows by hash."""
    gram_width: int = 24
    width: int = 64


@lru_cache(maxsize=2**17)
def letter_groups(word: str, rows: int) -> tuple[int, ...]:
    """Rows of the groups of two to four letters of a word with its borders; all numbers are one, a mark is itself."""
    if not word[0].isalpha():
        return (crc32(f"mark {'0' if word[0].isdigit() else word[0]}".encode()) % rows,)
    bounded = f"<{word}>"
    grams = {bounded[i : i + n] for n in (2, 3, 4) for i in range(len(bounded) - n + 1)}
    return tuple(crc32(gram.encode()) % rows for gram in sorted(grams))


@dataclass(frozen=True)
class Encoded:
    """n lines of at most T words, the border first, in numbers. The k different words of all lines are listed once."""

    rows: Tensor
    """[k + 1] int64, the row of each different word; the border is the first."""
    grams: Tensor
    """int64, letter groups of the k different words, one after the other."""
    offsets: Tensor
    """[k] int64, where each word's begin."""
    which: Tensor
    """[n, T] int64, which of the different words stands where; 0 outside."""
    marks: Tensor
    """[n, T, 8] float32, see `MARKS`."""
    size: Tensor
    """[n] float32, words of each line."""


class Network(nn.Module):
    """Logits that lines are garbled."""

    def __init__(
        self, vocabulary: Sequence[str], follows: Tensor, leads: Tensor, spelled: Tensor, sizes: ReaderSizes
    ) -> None:
        """Draws new weights from torch's generator.

        Args:
            vocabulary: common words.
            follows: [V, D] what each word is, see `pairs.py`; not learned.
            leads: [V, D] what each leads to, likewise.
            spelled: filter of the words that are spelled like words, see `spelling.py`.
            sizes: of the network.
        """
        super().__init__()
        self.follows: Tensor
        self.leads: Tensor
        self.vocabulary, self.sizes = tuple(vocabulary), sizes
        self.number = {word: SPECIAL + i for i, word in enumerate(self.vocabulary)}
        """Row of each common word."""
        width = follows.shape[1]
        self.register_buffer("follows", follows)
        self.register_buffer("leads", leads)
        self.register_buffer("spelled", spelled)
        self.spelling = Spelling(spelled)
        self.special = nn.Embedding(SPECIAL, 2 * width, padding_idx=PAD)
        self.gram = nn.EmbeddingBag(sizes.grams, sizes.gram_width, mode="mean")
        self.near = nn.Conv1d(2 * width + 2 + sizes.gram_width + MARKS, sizes.width, 3, padding=1)
        self.far = nn.Conv1d(sizes.width, sizes.width, 5, padding=2)
        self.stumble = nn.Conv1d(2 * sizes.width, 1, 1)
        self.judge = nn.Linear(2 * sizes.width + 4, 1)

    def encode(self, lines: Sequence[Sequence[str]], own: AbstractSet[str] = frozenset()) -> Encoded:
        """What `forward` takes, of lines as `read_words` cuts them.

        Args:
            lines: n of them.
            own: words that are spelled right whether or not they are known, such as names of a catalog.
        """
        kinds: dict[str, int] = {}
        places = [[kinds.setdefault(word, len(kinds) + 1) for word in line] for line in lines]
        # The border is as wide as the convolutions see: no line is read by the length of its neighbours in the batch.
        longest = max((len(line) for line in lines), default=0) + 5
        which = np.zeros((len(lines), longest), dtype=np.int64)
        again = np.zeros((len(lines), longest, 4), dtype=np.float32)
        for i, (line, place) in enumerate(zip(lines, places, strict=True)):
            which[i, 1 : len(line) + 1] = place
            if len(set(place)) < len(place):
                again[i, 1 : len(line) + 1] = _said_before(line)
        grams = [letter_groups(word, self.sizes.grams) for word in kinds]
        kind = [PAD, *(NUMBER if w[0].isdigit() else self.number.get(w, UNKNOWN) for w in kinds)]
        mark = np.array([False, *(not w[0].isalnum() for w in kinds)])[which]
        digit = np.array([False, *(w[0].isdigit() for w in kinds)])[which]
        odd = [w[0].isalpha() and w not in own and not self.spelling.knows(w) for w in kinds]
        strange = np.array([False, *odd])[which]
        flags = np.stack([which == 0, mark, digit, strange], axis=2).astype(np.float32)
        return Encoded(
            torch.tensor(kind),
            torch.tensor([row for found in grams for row in found], dtype=torch.int64),
            torch.tensor([0, *(len(found) for found in grams[:-1])], dtype=torch.int64)[: len(grams)].cumsum(0),
            torch.from_numpy(which),
            torch.from_numpy(np.concatenate([flags, again], axis=2)),
            torch.tensor([float(len(line)) for line in lines]),
        )

    def words(self, rows: Tensor, grams: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """[k + 1, D + gram_width] what the border and each different word is; [k + 1, D] what it leads to."""
        common = (rows >= SPECIAL)[:, None]
        at = torch.where(common[:, 0], rows - SPECIAL, 0)
        follows, leads = self.special(torch.where(common[:, 0], PAD, rows)).chunk(2, dim=1)
        follows = torch.where(common, self.follows[at].float(), follows)
        leads = torch.where(common, self.leads[at].float(), leads)
        return torch.cat([follows, pad(self.gram(grams, offsets), (0, 0, 1, 0))], dim=1), leads

    def forward(self, lines: Encoded) -> tuple[Tensor, Tensor]:
        """Logits of lines, [n], and of places, [n, T], the border's included."""
        known, leads = self.words(lines.rows, lines.grams, lines.offsets)
        words, leads = known[lines.which], leads[lines.which]
        follows = words[..., : leads.shape[2]]
        after = pad(leads[:, :-1], (0, 0, 1, 0)) * follows
        later = (pad(leads[:, :-2], (0, 0, 2, 0)) * follows).sum(2, keepdim=True)
        seen = torch.cat([words, after, after.sum(2, keepdim=True), later, lines.marks], dim=2).transpose(1, 2)
        near = torch.relu(self.near(seen))
        far = torch.relu(self.far(near))
        stumble = self.stumble(torch.cat([near, far], dim=1))[:, 0]
        inside = (lines.which > 0)[:, None]
        # The place after the last word counts too: a line may end too soon.
        real = pad(inside[:, 0, :-1], (1, 0), value=True)
        top = stumble.masked_fill(~real, -10.0).topk(2, dim=1).values.clamp(min=-10)
        mean = (stumble * real).sum(1) / real.sum(1)
        size = lines.size.clamp(min=1)
        far = far * inside
        facts = torch.stack([top[:, 0], top[:, 1], mean, size.log()], dim=1)
        return self.judge(torch.cat([far.sum(2) / size[:, None], far.amax(2), facts], dim=1))[:, 0], stumble


def _said_before(line: Sequence[str]) -> list[list[float]]:
    """Of each word: it stood before in the line, just before, as part of two words that did, of three."""
    seen: set[tuple[str, ...]] = set()
    found = []
    for i, word in enumerate(line):
        spans = [tuple(line[max(0, i - n + 1) : i + 1]) for n in (1, 2, 3)]
        old = [float(len(span) == n and word[0].isalpha() and span in seen) for n, span in enumerate(spans, 1)]
        seen.update(spans)
        found.append([old[0], float(i > 0 and line[i - 1] == word and word[0].isalpha()), old[1], old[2]])
    return found
