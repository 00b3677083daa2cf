"""Which texts to keep: the best of all that the reward scored, while the writer was tuned and after, and not all alike.

Effect and checks decide, and the Vendi score of all that is kept together (Friedman and Dieng, TMLR 2023) is held above
a floor: the best phrase is not taken for every product, and a rare one is taken where it costs least. It begins with
the best text of each place; then one block of places after another takes the text with the highest

    quality + w * (what it adds to the log of the Vendi score),

the derivative of `mean quality + w log Vendi`, which is concave in the shares that texts have; w is the least that
reaches the floor, found by bisection. Last, no pattern (a text, its product's own words masked) may stand in more than
one place in fifty: templates are not copy.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ...simulation.data.catalog import Creative, Product
from ..writer.writer import Writer
from .diversity import vendi, vendi_gain
from .reward import Rewards

SCORED = 192
"""Texts scored at once: novelty is against those of the same batch, as it is while tuning."""
SWEEPS, TURNS = 3, 16
"""Passes over all places, and turns of a pass: so many parts, each spread over all prompts, are picked beside the rest.
"""
MOST_ALIKE = 0.02
"""Share of all places that one pattern may have."""
WEIGHTS, HALVINGS = (0.005, 2.0), 6
"""Least and most weight of diversity, in units of the reward, and how often the range between is halved."""


class Scored(Protocol):
    """Texts that a reward has scored."""

    @property
    def texts(self) -> Sequence[Creative]:
        """The n candidates."""
        ...

    @property
    def group(self) -> Tensor:
        """[n] the prompt that each answers."""
        ...

    @property
    def quality(self) -> Tensor:
        """[n] the reward without its word on diversity."""
        ...

    @property
    def failures(self) -> Tensor:
        """[n] checks that each fails."""
        ...

    @property
    def refused(self) -> Tensor:
        """[n] 1 where a rule refuses a text."""
        ...

    @property
    def pattern(self) -> Tensor:
        """[n] int64, the same for texts that are alike but for their products' own words."""
        ...

    def encode(self, creatives: Sequence[Creative]) -> Tensor:
        """[n, d] unit vectors that diversity is measured by."""
        ...


@dataclass(frozen=True)
class Choice:
    """What was kept."""

    rows: Tensor
    """[prompts * kept] candidates, those of one prompt together."""
    weight: float
    """The weight of diversity that it took."""
    vendi: float
    """Vendi score of what was kept."""


def write_more(
    writer: Writer,
    asked: Sequence[tuple[Product, str]],
    each: int,
    reward: Callable[[Sequence[Creative], Tensor], Rewards],
    generator: torch.Generator,
) -> Rewards:
    """Writes `each` texts a prompt and has them scored, `SCORED` or so at once.

    Returns:
        What all of them earned; novelty is that among those scored at once.
    """
    products, audiences = zip(*asked, strict=True)
    texts = writer.write(products, audiences, each, generator=generator)
    group, size = torch.arange(len(asked)).repeat_interleave(each), max(1, SCORED // each) * each
    parts = [reward(texts[i : i + size], group[i : i + size]) for i in range(0, len(texts), size)]
    raw, weighted = (
        {name: torch.cat([getattr(part, terms)[name] for part in parts]) for name in getattr(parts[0], terms)}
        for terms in ("raw", "weighted")
    )
    return Rewards(torch.cat([part.total for part in parts]), raw, weighted)


def choose(scored: Scored, kept: int, least_vendi: float = 0.0) -> Choice:
    """Picks `kept` texts for each prompt among all that were scored for it; one that a rule refuses only where so few
    others were.

    Args:
        scored: every prompt has `kept` of them or more.
        kept: texts a prompt.
        least_vendi: floor of the Vendi score of what is kept. Where it cannot be reached, what is most diverse is kept.
    """
    table, vectors = places(scored.group, kept, scored.refused > 0), scored.encode(scored.texts)
    table = sound_places(sound_places(table, scored.refused == 0), _sound(scored))
    best = _diverse(scored, table, vectors, least_vendi)
    rows = less_alike(best.rows, table, scored.quality, scored.pattern, max(1, int(MOST_ALIKE * len(table))))
    return Choice(rows, best.weight, vendi(vectors[rows]))


def _diverse(scored: Scored, table: Tensor, vectors: Tensor, least_vendi: float) -> Choice:
    """What is kept at the least weight of diversity that reaches the floor."""
    best = _kept(scored, table, vectors, 0.0)
    if best.vendi >= least_vendi:
        return best
    low, high = map(math.log, WEIGHTS)
    best = _kept(scored, table, vectors, WEIGHTS[1])
    for _ in range(HALVINGS if best.vendi >= least_vendi else 0):
        middle = (low + high) / 2
        found = _kept(scored, table, vectors, math.exp(middle))
        if found.vendi >= least_vendi:
            best, high = found, middle
        else:
            low = middle
    return best


def _sound(scored: Scored) -> Tensor:
    """[n] bool, texts that fail no check and that no rule refuses."""
    return (scored.failures == 0) & (scored.refused == 0)


def places(group: Tensor, kept: int, last: Tensor | None = None) -> Tensor:
    """Candidates that compete for each place: those of a prompt are dealt to its `kept` places in turns.

    Args:
        group: [n] prompts 0 to P - 1, in any order.
        kept: places a prompt.
        last: [n] bool, candidates that are dealt after all others, so that no place has none but them while another
            has several others.

    Returns:
        [P * kept, most] rows of `group`, -1 where there is none.
    """
    order = (group if last is None else 2 * group + last).argsort(stable=True)
    count = group.bincount()
    turn = torch.arange(len(group)) - (count.cumsum(0) - count)[group[order]]
    table = torch.full((len(count) * kept, -(-int(count.max()) // kept)), -1)
    table[group[order] * kept + turn % kept, turn // kept] = order
    return table


def sound_places(table: Tensor, sound: Tensor) -> Tensor:
    """The table without the texts that are not sound, wherever a place has others: no click buys a false claim."""
    fine = (table >= 0) & sound[table.clamp(min=0)]
    return torch.where(fine | ~fine.any(1, keepdim=True), table, -1)


def _kept(scored: Scored, table: Tensor, vectors: Tensor, weight: float) -> Choice:
    """What is kept where diversity weighs so much; a text that fails a check adds none."""
    quality, sound = scored.quality, _sound(scored)
    rows = _best(quality, table)
    turns = min(len(table), TURNS)
    for turn in [*range(turns)] * (SWEEPS if weight else 0):
        block, others = torch.arange(turn, len(table), turns), torch.ones(len(table), dtype=torch.bool)
        others[block] = False
        there = table[block]
        asking = there[there >= 0]
        worth = quality.clone()
        worth[asking] += weight * sound[asking] * vendi_gain(vectors[asking], vectors[rows[others]])
        rows[block] = _best(worth, there)
    return Choice(rows, weight, vendi(vectors[rows]))


def less_alike(rows: Tensor, table: Tensor, quality: Tensor, pattern: Tensor, most: int) -> Tensor:
    """Where a pattern has more places than `most`, those where another text costs least get that; if they have one.

    Args:
        rows: [m] candidate of each place.
        table: [m, k] candidates that compete for each place, -1 for none.
        quality: [n] of candidates.
        pattern: [n] int64 of candidates.
        most: places that a pattern may have.
    """
    rows, taken = rows.clone(), pattern[rows].bincount(minlength=int(pattern.max()) + 1)
    for _ in range(int((taken - most).clamp(min=0).sum())):
        at = (taken[pattern[rows]] > most).nonzero().squeeze(1)
        there = table[at].clamp(min=0)
        other = _best(quality, torch.where((table[at] >= 0) & (taken[pattern[there]] < most), table[at], -1))
        cost = (quality[rows[at]] - quality[other]).masked_fill(other < 0, torch.inf)
        if not len(cost) or cost.min().isinf():
            break
        place = cost.argmin()
        taken[pattern[rows[at[place]]]] -= 1
        taken[pattern[other[place]]] += 1
        rows[at[place]] = other[place]
    return rows


def _best(worth: Tensor, table: Tensor) -> Tensor:
    """[m] the candidate of highest worth in each row of the table."""
    column = worth[table.clamp(min=0)].masked_fill(table < 0, -torch.inf).argmax(1, keepdim=True)
    return table.gather(1, column).squeeze(1)


def choice_kl(written: float) -> float:
    """Most nats a text that choosing the best of so many moves the writer: log n - (n - 1) / n (Beirami et al., arXiv
    2401.01879).
    """
    return math.log(written) - (written - 1) / written
