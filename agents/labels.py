"""What an agent's numbers stand for: creatives by arm, features of a context by name, channels and queries."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..simulation.data.errors import InputError
from ..simulation.visits import Impressions

if TYPE_CHECKING:
    from ..simulation.data.catalog import Creative, Query
    from ..simulation.world import World

HOURS = ("hour=sin", "hour=cos")


@dataclass
class Labels:
    """Names for tensors. With them a slate is a list of texts, and a visitor is described in words."""

    features: tuple[str, ...]
    """Of a context, in order: `bias`, then `group=name`."""
    channels: tuple[str, ...]
    queries: "tuple[Query, ...]" = ()
    """What visitors may ask; where they bring no texts, one for each category."""
    creatives: "list[Creative]" = field(default_factory=list)
    """By arm; may grow."""

    @staticmethod
    def of(world: "World") -> "Labels":
        """A world's. Its creatives are shared with it: what is published later is here, too."""
        traffic = world.traffic
        return Labels(traffic.context_names, tuple(world.scenario.channels), traffic.queries.all, world.creatives)

    def texts(self, slates: Tensor) -> list[list[str]]:
        """[B, L] arms as texts, best slot first."""
        return [[self.creatives[arm].text for arm in slate] for slate in slates.tolist()]

    def context(self, hour: float | None = None, **known: str | Mapping[str, float]) -> Tensor:
        """[d] features of a visitor; what is not told is 0.

        Args:
            hour: of the day, 0 to 24, where the hour is a feature.
            known: by group of features, a name (`channel="search"`, `segment="students"`) or a value by name
                (`browsing={"tea": 0.7, "coffee": 0.3}`).

        Raises:
            InputError: naming what is no feature, and those that are.
        """
        values = dict.fromkeys(self.features, 0.0)
        told: dict[str, float] = {"bias": 1.0}
        for group, what in known.items():
            told |= {
                f"{group}={name}": value for name, value in ({what: 1.0} if isinstance(what, str) else what).items()
            }
        if hour is not None:
            angle = hour * 2 * math.pi / 24
            told |= dict(zip(HOURS, ((1 + math.sin(angle)) / 2, (1 + math.cos(angle)) / 2), strict=True))
        if unknown := sorted(told.keys() - values.keys()):
            raise InputError(f"context: no feature '{unknown[0]}'; known are {', '.join(self.features)}")
        return torch.tensor(list((values | told).values()), dtype=torch.float32)

    def visits(
        self,
        context: Any,
        query: str | Sequence[str | None] | None = None,
        user: Sequence[int] | None = None,
        hours: float = 0.0,
    ) -> Impressions:
        """Visitors for `PlacementAgent.act`.

        Args:
            context: [d] of one visitor or [B, d] of several, as `context` makes them; the channel is read off it.
            query: what each visitor asks for, one of `queries`; None for nothing.
            user: [B] numbers by which users are told apart, where that matters.
            hours: on the service's clock.

        Raises:
            InputError: a query that is not known, or a context of another width.
        """
        rows = torch.as_tensor(context, dtype=torch.float32)
        rows = rows[None] if rows.dim() == 1 else rows
        if rows.dim() != 2 or rows.shape[1] != len(self.features):
            raise InputError(f"context: expected [B, {len(self.features)}] or one row of it, got {list(rows.shape)}")
        asked = [query] if query is None or isinstance(query, str) else list(query)
        number = {known.text: i for i, known in enumerate(self.queries)} | {None: -1}
        if unknown := [text for text in asked if text not in number]:
            raise InputError(f"query '{unknown[0]}' is not among the {len(self.queries)} that the agent was made for")
        columns = [self.features.index(f"channel={name}") for name in self.channels]
        return Impressions(
            torch.zeros(len(rows), dtype=torch.int64) if user is None else torch.as_tensor(user, dtype=torch.int64),
            rows[:, columns].argmax(1),
            torch.tensor([number[text] for text in asked]).expand(len(rows)),
            torch.full((len(rows),), hours, dtype=torch.float64),
            rows,
        )
