"""What users remember of single creatives, for shops where a table of every user with every creative has no room."""

import torch
from torch import Tensor

NOBODY = -1
"""Stands where a place is free."""


class Seen:
    """A few places a user, each a creative and how worn it is; who looks at one more gives up the least worn.

    So nothing is lost as long as a user remembers no more creatives than there are places. What was first looked at
    long ago has faded most, and what is given up is close to forgotten.
    """

    def __init__(self, users: int, places: int, device: torch.device) -> None:
        """Nobody has looked at anything; [U, M] places."""
        self.creative = torch.full((users, places), NOBODY, dtype=torch.int32, device=device)
        self.worn = torch.zeros(users, places, device=device)

    def level(self, user: Tensor, creatives: Tensor) -> Tensor:
        """How worn creatives are with users: [B], [B, L] -> [B, L], 0 where one is not remembered."""
        there = self.creative.index_select(0, user)[:, None] == creatives[:, :, None].int()
        return torch.einsum("bm,blm->bl", self.worn.index_select(0, user), there.float())

    def add(self, user: Tensor, creative: Tensor, wear: Tensor) -> None:
        """Adds [n] wear, above 0, of [n] users with [n] creatives; all counts where a pair comes again."""
        pair, which = (user << 32 | creative).unique(return_inverse=True)
        wear = torch.zeros(len(pair), device=wear.device).index_add_(0, which, wear)
        user, creative = pair >> 32, (pair & 0xFFFFFFFF).int()
        known = self.creative.index_select(0, user) == creative[:, None]
        old = known.any(1)
        self.worn[user[old], known[old].int().argmax(1)] += wear[old]
        self._begin(user[~old], creative[~old], wear[~old])

    def keep(self, worn: Tensor) -> None:
        """Takes over [U, C] levels of a table, as many of a user's largest as there are places."""
        level, creative = worn.topk(min(self.worn.shape[1], worn.shape[1]), dim=1)
        held = slice(0, level.shape[1])
        self.worn[:, held] = level
        self.creative[:, held] = creative.int().masked_fill(level == 0, NOBODY)

    def forget(self) -> None:
        """Nobody has looked at anything."""
        self.creative.fill_(NOBODY)
        self.worn.zero_()

    def _begin(self, user: Tensor, creative: Tensor, wear: Tensor) -> None:
        """Pairs that are not remembered, in the order of users: the first of a user takes the least worn place, the
        second the next, and so on.
        """
        if not len(user):
            return
        rank = torch.arange(len(user), device=user.device) - torch.searchsorted(user, user)
        places = min(int(rank.max()) + 1, self.worn.shape[1])
        room = rank < places
        user, creative, wear, rank = (part[room] for part in (user, creative, wear, rank))
        least = self.worn.index_select(0, user).topk(places, dim=1, largest=False, sorted=True).indices
        place = least.gather(1, rank[:, None])[:, 0]
        self.creative[user, place], self.worn[user, place] = creative, wear
