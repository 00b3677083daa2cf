"""Budgets over a horizon: which impressions to buy, so that the money lasts and nearly all of it is spent.

Primal-dual pacing (Balseiro and Gur, "Learning in repeated auctions with budgets", Management Science 2019): a
multiplier mu prices money; an impression is bought where its value exceeds mu times its cost, and mu follows the gap
between what was spent and what may be spent in a round.
"""

import torch
from torch import Tensor

from ..simulation.tables import InputError


def next_multiplier(mu: float, step: float, spent: float, target: float) -> float:
    """mu after a batch: a projected subgradient step on the dual; `spent` and `target` an impression."""
    return max(0.0, mu - step * (target - spent))


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

    def __init__(self, budget: float, horizon: int, step: float = 0.02) -> None:
        """Sets the budget.

        Args:
            budget: money.
            horizon: impressions it shall last for.
            step: of the multiplier, relative to the multiplier's own scale.

        Raises:
            InputError: a budget or horizon that is not positive.
        """
        if not budget > 0 or horizon < 1:
            raise InputError(f"budget {budget} over {horizon} impressions: give a positive budget and horizon")
        self.budget, self.horizon, self.step = budget, horizon, step
        self.spent, self.seen, self.multiplier = 0.0, 0, 0.0

    @property
    def left(self) -> float:
        """Money left."""
        return self.budget - self.spent

    def buy(self, value: Tensor, cost: Tensor, most: Tensor | None = None) -> Tensor:
        """[B] bool: which impressions to buy.

        Args:
            value: [B] expected worth of the slate that would be shown.
            cost: [B] expected cost of showing it.
            most: [B] the largest cost it can come to, where it is not certain; the budget holds for that.
        """
        share = min(1.0, len(value) / max(1, self.horizon - self.seen))
        # Not all of the budget in one batch: what this batch may use, with room for the days it wants more.
        room = self.left if share == 1.0 else min(self.left, 4 * share * self.left)
        return affordable(value > self.multiplier * cost, cost if most is None else most, room)

    def charge(self, cost: float, impressions: int, worth_of_money: float = 1.0) -> None:
        """Books what a batch of `impressions` came to, bought or not, and moves the multiplier.

        Args:
            cost: money spent.
            impressions: seen.
            worth_of_money: typical value a unit of cost, the multiplier's scale.

        Raises:
            InputError: more than there is.
        """
        if not 0 <= cost <= self.left + 1e-9 * self.budget:
            raise InputError(f"cost {cost}: only {self.left} is left of the budget")
        target = self.left / max(1, self.horizon - self.seen)
        gap = cost / impressions / max(target, 1e-12)
        step = self.step * worth_of_money * min(impressions, 100)
        self.multiplier = next_multiplier(self.multiplier, step, min(gap, 4.0), 1.0)
        self.spent, self.seen = self.spent + cost, self.seen + impressions

    def state(self) -> dict[str, float]:
        """What goes on being true after a restart."""
        return {"spent": self.spent, "seen": float(self.seen), "multiplier": self.multiplier}
