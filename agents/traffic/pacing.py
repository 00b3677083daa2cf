"""Budgets over a horizon: which impressions to buy, so that the money lasts and nearly all of it is spent.

Primal-dual pacing: a multiplier prices money, and an impression is bought where its value exceeds the multiplier times
its cost (Balseiro and Gur, "Learning in repeated auctions with budgets", Management Science 2019). The multiplier is
not stepped but solved anew from recent impressions for what may still be spent: no step size, no scale of values
(Agrawal, Wang and Ye, "A dynamic near-optimal algorithm for online linear programming", Operations Research 2014).
"""

import torch
from torch import Tensor

from ...simulation.data.errors import InputError


def price_of_money(value: Tensor, cost: Tensor, target: float) -> float:
    """The least multiplier at which buying value > multiplier * cost spends at most `target` an impression.

    Args:
        value: [n] of recent impressions.
        cost: [n] expected cost of each, positive.
        target: money an impression.
    """
    worth, order = (value / cost).sort(descending=True)
    within = int((cost[order].double().cumsum(0) <= target * len(cost)).sum())
    return 0.0 if within == len(cost) else max(0.0, float(worth[within]))


def affordable(wanted: Tensor, most: Tensor, left: float) -> Tensor:
    """[B] bool: of what is wanted, in order, as much as `left` pays for if each cost its `most`.

    Args:
        wanted: [B] bool.
        most: [B] the largest cost each can come to.
        left: money.
    """
    return wanted & (torch.where(wanted, most, 0.0).double().cumsum(0) <= left)


class Pacer:
    """Spends a budget over a horizon of impressions, never more."""

    RESERVE = 0.02
    """Share of the horizon kept for what is left over: costs that did not come to pass, impressions too dear."""

    def __init__(self, budget: float, horizon: int, memory: int = 2000) -> None:
        """Sets the budget.

        Args:
            budget: money.
            horizon: impressions it shall last for.
            memory: recent impressions that prices are judged by.

        Raises:
            InputError: a budget or horizon that is not positive.
        """
        if not budget > 0 or horizon < 1:
            raise InputError(f"budget {budget} over {horizon} impressions: give a positive budget and horizon")
        self.budget, self.horizon, self.memory = budget, horizon, memory
        self.spent, self.seen, self.multiplier = 0.0, 0, 0.0
        self._recent: list[Tensor] = []
        self._solved = 0

    @property
    def left(self) -> float:
        """Money left."""
        return self.budget - self.spent

    def buy(self, value: Tensor, cost: Tensor, most: Tensor | None = None) -> Tensor:
        """[B] bool: which impressions to buy.

        Args:
            value: [B] expected worth of the slate that would be shown.
            cost: [B] expected cost of showing it, positive.
            most: [B] the largest cost it can come to, where it is not certain; the budget holds for that.

        Raises:
            InputError: costs that are not positive, or less than they can come to.
        """
        most = cost if most is None else most
        if not bool((cost > 0).all() and (most >= cost).all()):
            raise InputError("cost: each must be positive, and at most what it can come to")
        self._recent.append(torch.stack([value, cost]))
        if self.seen == 0 or self.seen - self._solved >= min(50, self.memory) or len(value) >= 50:
            self._solve()
        return affordable(value > self.multiplier * cost, most, self.left)

    def charge(self, cost: float, impressions: int) -> None:
        """Books what `impressions`, bought or not, came to.

        Raises:
            InputError: a cost below 0 or more than there is.
        """
        if not 0 <= cost <= self.left * (1 + 1e-9):
            raise InputError(f"cost {cost}: only {self.left} is left of the budget")
        self.spent, self.seen = min(self.budget, self.spent + cost), self.seen + impressions

    def state(self) -> dict[str, float]:
        """What goes on being true after a restart."""
        return {"spent": self.spent, "seen": float(self.seen), "multiplier": self.multiplier}

    def _solve(self) -> None:
        recent = torch.cat(self._recent, 1)[:, -self.memory :]
        self._recent, self._solved = [recent], self.seen
        remaining = max(1.0, self.horizon * (1 - self.RESERVE) - self.seen)
        self.multiplier = price_of_money(recent[0], recent[1], self.left / remaining)
