"""The figures of `lookup.py` where users with creatives are too many for a table: computed at each visit.

Log-odds that stay are sums over what a user is: a constant, tastes, interests, how much the price matters. Each
creative has a weight for each of these, so that [U, r] and [C, r] stand for a table of [U, C], and a visit costs r
products.
"""

import torch
from torch import Tensor

from .lookup import CONVERT, MOOD, SOUGHT, WORN, Clock, Lookup
from .seen import Seen

PLACES = 32
"""Creatives of which a user remembers how worn they are."""


class Computed(Clock):
    """U users who are r numbers each, S rows of what is sought, C creatives of G categories; see `Lookup`."""

    def __init__(self, people: Tensor, sought: int, categories: int, recovery: tuple[float, float]) -> None:
        """Starts with no creatives; `people` is [U, r]."""
        device = people.device
        super().__init__(recovery, device)
        self._people = people
        self._weights = torch.zeros(0, CONVERT + 1, people.shape[1], device=device)
        self._sought = torch.zeros(0, sought, device=device)
        self._category = torch.zeros(0, dtype=torch.int64, device=device)
        self._seen, self._mood = Seen(len(people), PLACES, device), torch.zeros(len(people), categories, device=device)

    def publish(self, weights: Tensor, sought: Tensor, category: Tensor) -> None:
        """Adds creatives that nobody has seen: [2, n, r] weights of click and conversion, [S, n] and [n] categories."""
        self._weights = torch.cat([self._weights, weights.transpose(0, 1)])
        self._sought = torch.cat([self._sought, sought.T])
        self._category = torch.cat([self._category, category])

    def take_over(self, table: Lookup) -> None:
        """What users remember in a table."""
        self._seen.keep(table.part(WORN))
        self._mood.copy_(table.part(MOOD))
        self.origin = table.origin

    def cells(self, user: Tensor, sought: Tensor, slates: Tensor) -> Tensor:
        """User, row of what is sought, and creative of [B] visits and [B, L] creatives, [3, B, L] int64.

        Raises:
            IndexError: a creative that is not there.
        """
        if slates.numel() and not 0 <= int(slates.min()) <= int(slates.max()) < len(self._category):
            raise IndexError(f"slates: creatives {int(slates.min())} to {int(slates.max())} of {len(self._category)}")
        return torch.stack([user[:, None].expand_as(slates), sought[:, None].expand_as(slates), slates])

    def figures(self, cells: Tensor) -> Tensor:
        """The figures of cells, [5, B, L]; the last two have grown since they were made."""
        user, sought, slates = cells
        visitor = user[:, 0]
        weights = self._weights.index_select(0, slates.flatten()).view(*slates.shape, *self._weights.shape[1:])
        figures = torch.empty(MOOD + 1, *slates.shape, device=slates.device)
        figures[: CONVERT + 1] = torch.einsum("br,blfr->fbl", self._people.index_select(0, visitor), weights)
        figures[SOUGHT] = self._sought.view(-1)[slates * self._sought.shape[1] + sought]
        figures[WORN] = self._seen.level(visitor, slates)
        figures[MOOD] = self._mood.view(-1)[self._moods(user, slates)]
        return figures

    def remember(self, cells: Tensor, events: Tensor) -> None:
        """Adds grown events, [2, B, L]; all those of one cell in a batch count."""
        user, _, slates = cells
        looked = events[0] > 0
        self._seen.add(user[looked], slates[looked], events[0][looked])
        self._mood.view(-1).index_add_(0, self._moods(user, slates).flatten(), events[1].flatten())

    def forget(self, now: float = 0.0) -> None:
        """Nothing has happened, and time begins at an hour."""
        self._seen.forget()
        self._mood.zero_()
        self.origin = now

    def _moods(self, user: Tensor, slates: Tensor) -> Tensor:
        """Where moods lie, of users for the categories of creatives."""
        return user * self._mood.shape[1] + self._category[slates]

    def _tensors(self) -> list[Tensor]:
        seen = (self._seen.creative, self._seen.worn)
        return [self._people, self._weights, self._sought, self._category, self._mood, *seen]

    def _remembered(self) -> tuple[Tensor, Tensor]:
        return self._seen.worn, self._mood
