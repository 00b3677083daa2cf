"""Weak language models: chains that know what follows the last word or two, or the last letters, and nothing else."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

LONGEST = 28
"""Words at which a chain is stopped."""


class Chain:
    """Draws the next symbol from those that followed the last `order` ones (Shannon 1948)."""

    def __init__(self, lines: Sequence[Sequence[str]], order: int) -> None:
        """Counts.

        Args:
            lines: symbols of each line: words, or letters.
            order: symbols that the next depends on.
        """
        self.order = order
        self._next: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for line in lines:
            for before, symbol in self._spans([*line, ""]):
                self._next[before].append(symbol)

    def _spans(self, line: Sequence[str]) -> Iterator[tuple[tuple[str, ...], str]]:
        before = ("",) * self.order
        for symbol in line:
            yield before, symbol
            before = (*before, symbol)[-self.order :]

    def draw(self, random: np.random.Generator, longest: int) -> list[str]:
        """One line of symbols."""
        before, line = ("",) * self.order, []
        while len(line) < longest:
            choices = self._next[before]
            symbol = choices[int(random.integers(len(choices)))]
            if not symbol:
                break
            line.append(symbol)
            before = (*before, symbol)[-self.order :]
        return line


def weak_lines(lines: Sequence[str], each: int, random: np.random.Generator) -> list[str]:
    """What chains of one word, two words, and of four and five letters make of lines; none of the lines themselves,
    nor any part of one.

    Args:
        lines: that the chains learn.
        each: drawn from each chain.
        random: draws them.
    """
    words, letters = [line.split() for line in lines], [list(line) for line in lines]
    chains = [(Chain(words, 1), " "), (Chain(words, 2), " "), (Chain(letters, 4), ""), (Chain(letters, 5), "")]
    known = "\n".join(lines).lower()
    drawn = (
        between.join(chain.draw(random, LONGEST if between else 6 * LONGEST))
        for chain, between in chains
        for _ in range(each)
    )
    return [line for line in dict.fromkeys(drawn) if len(line.split()) > 3 and line.lower() not in known]
