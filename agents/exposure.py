"""Minimum exposure: no product, category or brand is looked at less than a share of what its audience looks at.

What trails its share is favoured: the shortfall, relative to the share, is added to what the agent believes of it, for
everybody alike, so that it goes to the visitors with whom that costs least. This is the proportional controller of
Morik, Singh, Hong and Joachims ("Controlling fairness and bias in dynamic learning-to-rank", SIGIR 2020) for a floor
instead of equality; what is added plays the part of a Lagrange multiplier. Exposure is the position-weighted chance of
being looked at (Singh and Joachims, "Fairness of exposure in rankings", KDD 2018), added up over slates (Biega, Gummadi
and Weikum, "Equity of attention", SIGIR 2018).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..simulation.data.errors import InputError
from ..simulation.visits import Impressions
from .agent import Decision, Estimate, Expectation, PlacementAgent
from .checked import CheckedAgent
from .traffic.options import TrafficOptions
from .traffic.units import Units, Within
from .traffic.wrapper import Wrapper

if TYPE_CHECKING:
    from ..simulation.world import World

GAIN = 40.0
"""Spreads of what is believed of the candidates by which what is never shown is favoured."""
MARGIN = 0.05
"""Share of the minimum that is aimed at above it: a controller settles a little below its aim."""


class MinimumExposure(Wrapper):
    """Any agent, which favours units that trail their minimum share; it stands next to the agent.

    A share is what was looked at of a unit over all that was looked at in the visits that it could be shown in, since
    the beginning, and by default of everyone; `within` keeps accounts for each segment or channel. Looks are those that
    the channel's slots get where no click keeps visitors away. What is favoured follows from what was shown before, so
    that propensities stay as exact as the agent's own.
    """

    kind = "exposure"
    agent: CheckedAgent

    def __init__(
        self,
        agent: CheckedAgent,
        minimum: float,
        units: Units,
        products: Sequence[str],
        within: Within = "everyone",
    ) -> None:
        """Puts a minimum before an agent.

        Args:
            agent: chooses.
            minimum: share of every unit.
            units: what it is for.
            products: of each arm.
            within: whose looks count together. Segments are read off the agent's labels.

        Raises:
            InputError: no share, or segments are asked for and the agent's labels know none.
        """
        if not 0 < minimum <= 1:
            raise InputError(f"minimum exposure {minimum:g}: give a share above 0, and 1 at most")
        super().__init__(agent)
        self.minimum, self.units, self.within = minimum, units, within
        self.names: list[str] = list(dict.fromkeys(units.name(product) for product in products))
        number = {name: i for i, name in enumerate(self.names)}
        self.unit = torch.tensor([number[units.name(product)] for product in products], device=self.device)
        """[arms]."""
        features = () if self.labels is None else self.labels.features
        self._segments = [i for i, name in enumerate(features) if name.startswith("segment=")]
        if within == "segment" and not self._segments:
            raise InputError("minimum exposure within segments: the agent's labels know none; say everyone or channel")
        groups = {"everyone": 1, "segment": len(self._segments), "channel": len(agent.worth.examination)}[within]
        self.looks = torch.zeros(2, groups, len(self.names), dtype=torch.float64, device=self.device)
        """[2, G, U] looks at each unit, and at everything where it could be shown."""

    def act(self, impressions: Impressions, candidates: Tensor, opened: Tensor | None = None) -> Decision:
        """See `PlacementAgent.act`."""
        decision = self.agent.act(impressions, candidates, opened, self.favour(impressions, candidates))
        self._count(impressions, candidates, opened, decision.slates)
        return decision

    def favour(self, impressions: Impressions, candidates: Tensor) -> Tensor | None:
        """[B, K] by how much candidates are favoured now; None where none trails."""
        seen, all_ = self.looks
        aim = self.minimum * (1 + MARGIN)
        behind = torch.where(all_ > 0, (1 - seen / (aim * all_).clamp(min=1e-12)).clamp(min=0), 0.0)
        if not bool(behind.any()):
            return None
        return (GAIN * behind).float()[self._group(impressions)][:, self.unit[candidates]]

    def estimate_propensities(
        self,
        impressions: Impressions,
        candidates: Tensor,
        slates: Tensor,
        draws: int = 2048,
        opened: Tensor | None = None,
    ) -> Estimate:
        """Propensities of [B, L] slates as `act` would choose now."""
        favour = self.favour(impressions, candidates)
        return self.agent.estimate_propensities(impressions, candidates, slates, draws, opened, favour)

    def add_arms(self, n: int, expectation: Expectation | None = None) -> None:
        """See `PlacementAgent.add_arms`; units are those of the labels' creatives, else each is one of its own."""
        fresh = [] if self.labels is None else self.labels.creatives[self.arms : self.arms + n]
        names = [self.units.name(creative.product_id) for creative in fresh]
        names += [f"arm {self.arms + i}" for i in range(len(names), n)]
        super().add_arms(n, expectation)
        self.names += [name for name in dict.fromkeys(names) if name not in self.names]
        number = torch.tensor([self.names.index(name) for name in names], device=self.device)
        self.unit = torch.cat([self.unit, number])
        more = self.looks.new_zeros(*self.looks.shape[:2], len(self.names) - self.looks.shape[2])
        self.looks = torch.cat([self.looks, more], 2)

    def add_successors(self, arms: Tensor) -> None:
        """See `PlacementAgent.add_successors`; they are of the units of those they follow."""
        super().add_successors(arms)
        self.unit = torch.cat([self.unit, self.unit[arms]])

    def figures(self) -> dict[str, float]:
        """The least share that a unit has, in any group, and how many shares are below the minimum."""
        seen, all_ = self.looks[:, self.looks[1] > 0]
        if not len(all_):
            return {}
        share = seen / all_
        return {"least_exposure": float(share.min()), "below_minimum": float((share < self.minimum * 0.999).sum())}

    def own_state(self) -> dict[str, Tensor]:
        """What was looked at, and the unit of each arm."""
        return {"looks": self.looks, "unit": self.unit}

    def load_own_state(self, state: dict[str, Tensor]) -> None:
        """Takes over what `own_state` gave."""
        self.looks, self.unit = state["looks"], state["unit"]

    def settings(self) -> dict[str, Any]:
        """See `Wrapper.settings`."""
        units = {"of": self.units.of, "known": dict(self.units.known), "names": self.names}
        return {"minimum": self.minimum, "within": self.within} | units

    @classmethod
    def restore(cls, agent: Any, settings: dict[str, Any]) -> "MinimumExposure":
        """See `Wrapper.restore`; which arm is of which unit comes with the state."""
        units = Units(settings["of"], settings["known"])
        found = cls(agent, settings["minimum"], units, [""] * agent.arms, settings["within"])
        found.names = list(settings["names"])
        return found

    def _group(self, impressions: Impressions) -> Tensor:
        if self.within == "channel":
            return impressions.channel
        if self.within == "segment":
            return impressions.context[:, self._segments].argmax(1)
        return torch.zeros_like(impressions.channel)

    def _count(self, impressions: Impressions, candidates: Tensor, opened: Tensor | None, slates: Tensor) -> None:
        group, units = self._group(impressions), self.looks.shape[2]
        looked = self.agent.worth.examination[impressions.channel, : slates.shape[1]].double()
        cell = group[:, None] * units + self.unit[slates]
        self.looks[0].view(-1).index_add_(0, cell.flatten(), looked.flatten())
        possible = torch.zeros(len(group), units, dtype=torch.float64, device=self.device)
        free = torch.ones(len(group), len(candidates), dtype=torch.float64, device=self.device)
        possible.index_add_(1, self.unit[candidates], free if opened is None else opened.double())
        self.looks[1].index_add_(0, group, looked.sum(1, keepdim=True) * (possible > 0))


def with_minimum(agent: CheckedAgent, world: "World", options: TrafficOptions) -> PlacementAgent:
    """An agent that sees to a minimum exposure, if one is asked for; it stands next to the agent, before all else.

    Raises:
        InputError: the creatives of the world cannot all have it.
    """
    if not options.min_exposure:
        return agent
    options.check_exposure(world.creatives, world.catalog, world.examination.tolist())
    units, products = Units.in_catalog(world.catalog, options.min_exposure_of), [c.product_id for c in world.creatives]
    return MinimumExposure(agent, options.min_exposure, units, products, options.min_exposure_within)
