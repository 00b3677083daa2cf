"""Frequency caps: how often one visitor is shown one creative in a day."""

from typing import Any

import torch
from torch import Tensor

from ...simulation.data.errors import InputError
from ...simulation.visits import Impressions
from ..agent import Decision, Expectation, PlacementAgent
from .wrapper import Wrapper, joined

HOURS = 24.0


def earlier_visits(user: Tensor) -> Tensor:
    """[B] how many of the visits before each one are of the same user, by [B] users."""
    order = user.argsort(stable=True)
    sorted_ = user[order]
    first = torch.searchsorted(sorted_, sorted_)
    return torch.empty_like(user).index_copy_(0, order, torch.arange(len(user), device=user.device) - first)


class FrequencyCap(Wrapper):
    """Closes creatives that a visitor was shown `most` times today, so that the agent's propensities stay exact.

    Whom so little is left that a slate cannot be filled is shown what he or she saw least. A day is one of the world's
    clock, midnight to midnight. A user's second visit in a batch is decided after the first.
    """

    kind = "frequency"

    def __init__(self, agent: PlacementAgent, users: int, most: int) -> None:
        """Puts a cap before an agent.

        Args:
            agent: chooses among what is open.
            users: U; `Impressions.user` counts them.
            most: showings of a creative to a user in a day.

        Raises:
            InputError: `most` is below 1.
        """
        if most < 1:
            raise InputError(f"frequency cap {most}: give 1 showing a day or more")
        super().__init__(agent)
        self.most = most
        self.shown = torch.zeros(users, agent.arms, dtype=torch.int16, device=self.device)
        """[U, C] showings on each user's latest day."""
        self.day = torch.full((users,), -1, device=self.device)
        """[U] that day."""
        self.counts = torch.zeros(2, dtype=torch.int64, device=self.device)
        """All showings, and those that went over the cap."""

    def act(self, impressions: Impressions, candidates: Tensor, opened: Tensor | None = None) -> Decision:
        """See `PlacementAgent.act`; each wave has one visit of a user at most."""
        wave = earlier_visits(impressions.user)
        made, places = [], []
        for number in range(int(wave.max()) + 1):
            rows = (wave == number).nonzero().squeeze(1)
            visits = impressions[rows]
            free = self._free(visits, candidates, None if opened is None else opened[rows])
            decision = self.agent.act(visits, candidates, free)
            self._count(visits.user, decision.slates)
            made.append(decision)
            places.append(rows)
        return joined(made, places)

    def add_arms(self, n: int, expectation: Expectation | None = None) -> None:
        """See `PlacementAgent.add_arms`."""
        super().add_arms(n, expectation)
        self._grow()

    def add_successors(self, arms: Tensor) -> None:
        """See `PlacementAgent.add_successors`."""
        super().add_successors(arms)
        self._grow()

    def own_state(self) -> dict[str, Tensor]:
        """What was shown to whom, today."""
        return {"shown": self.shown, "day": self.day, "counts": self.counts}

    def load_own_state(self, state: dict[str, Tensor]) -> None:
        """Takes over what `own_state` gave."""
        self.shown, self.day, self.counts = state["shown"], state["day"], state["counts"]

    def settings(self) -> dict[str, Any]:
        """See `Wrapper.settings`."""
        return {"users": len(self.shown), "most": self.most}

    @classmethod
    def restore(cls, agent: PlacementAgent, settings: dict[str, Any]) -> "FrequencyCap":
        """See `Wrapper.restore`."""
        return cls(agent, settings["users"], settings["most"])

    def _free(self, visits: Impressions, candidates: Tensor, opened: Tensor | None) -> Tensor:
        """[B, K] what is open to visitors of different users, whose day begins if it is a new one."""
        today = (visits.hours / HOURS).long()
        begins = visits.user[self.day[visits.user] != today]
        self.shown[begins] = 0
        self.day[visits.user] = today
        seen = self.shown[visits.user][:, candidates].long()
        if opened is not None:
            seen = seen.masked_fill(~opened, torch.iinfo(torch.int64).max)
        # The slots-th smallest count: what was seen no more often than that fills a slate in any case.
        enough = seen.kthvalue(self.slots, dim=1, keepdim=True).values
        free = seen <= enough.clamp(min=self.most - 1)
        return free if opened is None else free & opened

    def figures(self) -> dict[str, float]:
        """Share of the showings that went over the cap, to visitors who had seen everything."""
        shown, over = self.counts.tolist()
        return {"over_daily_cap": over / max(shown, 1)}

    def _count(self, user: Tensor, slates: Tensor) -> None:
        over = (self.shown[user[:, None], slates] >= self.most).sum()
        self.counts += torch.stack([torch.full_like(over, slates.numel()), over])
        self.shown[user[:, None], slates] += 1

    def _grow(self) -> None:
        more = self.shown.new_zeros(len(self.shown), self.arms - self.shown.shape[1])
        self.shown = torch.cat([self.shown, more], 1)
