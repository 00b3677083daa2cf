"""What may stand in one slate: no creative twice, so many of a product or brand, no text too like another."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...simulation.data.errors import InputError

if TYPE_CHECKING:
    from ...simulation.data.catalog import Creative


def text_vectors(creatives: "Sequence[Creative]", device: torch.device | str = "cpu") -> Tensor:
    """[n, e] vectors of creatives' texts, of length 1; their products say how alike two texts are."""
    from ...simulation.text.encoder import TextEncoder

    return TextEncoder().encode([creative.text for creative in creatives]).to(device)


@dataclass(frozen=True)
class Cap:
    """At most `most` creatives of a group in a slate."""

    group: Tensor
    """[arms] int64: the product or brand of each arm."""
    most: int = 1

    def __post_init__(self) -> None:
        if self.most < 1:
            raise InputError(f"cap {self.most}: give 1 or more")

    @staticmethod
    def of(names: Sequence[str], most: int, device: torch.device | str = "cpu") -> "Cap":
        """A cap on arms of one name, that of their product or brand; arms without a name are groups of their own."""
        number: dict[str, int] = {}
        groups = [number.setdefault(name or f"\0{i}", len(number)) for i, name in enumerate(names)]
        return Cap(torch.tensor(groups, device=device), most)

    def full(self, group: Tensor, chosen: Tensor) -> Tensor:
        """[B, K] candidates whose group has no room left, by [K] groups and [B, l] positions chosen, newest last."""
        last = group[chosen[:, -1:]]
        return ((group[chosen] == last).sum(1, keepdim=True) >= self.most) & (group == last)

    def grow(self, n: int, like: Tensor | None) -> "Cap":
        """Room for n more arms: in the groups of [n] others, or each in one of its own."""
        fresh = int(self.group.max()) + 1 + torch.arange(n, device=self.group.device) if like is None else None
        return replace(self, group=torch.cat([self.group, self.group[like] if fresh is None else fresh]))


@dataclass(frozen=True)
class Apart:
    """No creative whose text is more like one above it than `most`; where all are, the one least like them is open."""

    texts: Tensor
    """[arms, e] vectors of length 1: their products are cosines."""
    most: float = 0.5

    def __post_init__(self) -> None:
        if not -1 <= self.most <= 1:
            raise InputError(f"likeness {self.most}: give a cosine, from -1 to 1")

    def close(self, opened: Tensor, chosen: Tensor, candidates: Tensor) -> Tensor:
        """[B, K] what stays open of `opened` after [B, l] positions of `candidates` were chosen."""
        texts = self.texts[candidates]
        likeness = (texts[chosen] @ texts.T).amax(1).masked_fill(~opened, torch.inf)
        # What differs most stays open though it be too alike: a slot is never left empty.
        least = likeness.amin(1, keepdim=True)
        return opened & (likeness <= least.clamp(min=self.most))


@dataclass(frozen=True)
class Layout:
    """Which candidates are open for the next slot."""

    caps: list[Cap] = field(default_factory=list)
    apart: Apart | None = None

    def start(self, candidates: Tensor, slots: int) -> None:
        """Looks at candidates for `slots` slots.

        Raises:
            InputError: the caps leave fewer candidates than slots.
        """
        for cap in self.caps:
            groups, counts = cap.group[candidates].unique(return_counts=True)
            room = int(counts.clamp(max=cap.most).sum())
            if room < slots:
                filled = f"{len(groups)} groups capped at {cap.most} fill {room}"
                raise InputError(f"candidates: {slots} slots, but {filled}; raise the cap")

    def close(self, opened: Tensor | None, chosen: Tensor, candidates: Tensor, shape: torch.Size) -> Tensor:
        """[B, K] what is open after [B, l] positions of `candidates` were chosen, top slot first.

        A slot is never left empty: a cap yields to whom nothing else may be shown.
        """
        if opened is None:
            opened = torch.ones(shape, dtype=torch.bool, device=chosen.device)
        opened = opened.scatter(1, chosen[:, -1:], False)
        for cap in self.caps:
            free = opened & ~cap.full(cap.group[candidates], chosen)
            opened = torch.where(free.any(1, keepdim=True), free, opened)
        return opened if self.apart is None else self.apart.close(opened, chosen, candidates)

    def grow(self, n: int, like: Tensor | None = None, texts: Tensor | None = None) -> "Layout":
        """The same for n more arms.

        Args:
            n: how many.
            like: [n] arms in whose groups they are; by default each is a group of its own.
            texts: [n, e] vectors of their texts, where texts are kept apart.

        Raises:
            InputError: texts are kept apart, and vectors of the new ones are not given.
        """
        apart = self.apart
        if apart is not None:
            if texts is None:
                raise InputError("add_arms: texts are kept apart; the agent's labels have to hold the new ones")
            apart = replace(apart, texts=torch.cat([apart.texts, texts.to(apart.texts)]))
        return Layout([cap.grow(n, like) for cap in self.caps], apart)
