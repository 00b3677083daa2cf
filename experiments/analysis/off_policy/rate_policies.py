"""Placement policies that anyone could make of a log: creatives are drawn by powers of their smoothed click rates.

They know a visitor by the names that the log has (segment, what is sought), so the same policy can be put into any
world that has these names.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ....agents.agent import CONVERSION_VALUE
from ....simulation.calibration.evidence import Evidence, Floats, Ints
from ....simulation.data.catalog import Creative
from ....simulation.visitors.traffic import Impressions
from ....simulation.world import World
from ...serving.serve import Fixed, Observer, Turn, serve

SHARPNESS = 4.0
"""Power of the click rates that creatives are drawn by."""
PRIOR_ROWS = 200.0
"""Rows at the log's base rate that every group's click rate is smoothed with."""


class RatePolicy:
    """Fills slots from the top in proportion to preferences by segment and category sought (Plackett-Luce)."""

    def __init__(self, segments: Sequence[str], preference: Floats) -> None:
        """Takes names of S segments and [S, 1 + categories, K] log-preferences, nothing sought first."""
        self.segments, self.preference = tuple(segments), torch.from_numpy(preference).float()

    def in_world(self, world: World) -> Callable[[Impressions, torch.Generator], Tensor]:
        """The policy as a function from visits to [B, L] slates, as numbers of the K creatives."""
        of_world = torch.tensor([self.segments.index(name) for name in world.audience.segments])
        segment_of = of_world[world.audience.segment]
        category = torch.cat([torch.tensor([-1]), world.traffic.queries.category])

        def place(visits: Impressions, generator: torch.Generator) -> Tensor:
            scores = self.preference[segment_of[visits.user], 1 + category[visits.query + 1]]
            draw = torch.rand(scores.shape, generator=generator).clamp_(min=1e-12)
            return (scores - torch.log(-torch.log(draw))).topk(world.slots, dim=1).indices

        return place


def rate_policies(evidence: Evidence) -> dict[str, RatePolicy]:
    """Eight policies that know more or less of what a log tells of clicks; creatives are the catalog's ads."""
    catalog, segments = evidence.catalog, len(evidence.segments)
    product = np.array(catalog.product_indices(catalog.ads))
    segment, sought = evidence.segment_of[evidence.user], _sought(evidence)
    width = 1 + len(catalog.categories)
    by_ad = _log_rates(evidence, np.zeros_like(segment), evidence.text, (1, len(catalog.ads)))[None]
    plain = _log_rates(evidence, np.zeros_like(segment), evidence.product, (1, len(catalog)))[None, :, product]
    by_segment = _log_rates(evidence, segment, evidence.product, (segments, len(catalog)))[:, None, product]
    by_sought = _log_rates(evidence, sought, evidence.product, (width, len(catalog)))[None, :, product]
    scores = {
        "uniform": 0 * plain,
        "the worst products": -plain,
        "ads": by_ad,
        "products": plain,
        "products by segment": by_segment,
        "products by what is sought": by_sought,
        "products by both": by_segment + by_sought - plain,
        "products by both, and ads": by_segment + by_sought - 2 * plain + by_ad,
    }
    shape = (segments, width, len(catalog.ads))
    return {
        name: RatePolicy(evidence.segments, SHARPNESS * np.broadcast_to(score, shape)) for name, score in scores.items()
    }


def _sought(evidence: Evidence) -> Ints:
    """[n] category that each row's visitor looked for, from 1; 0 for nothing."""
    number = {name: i + 1 for i, name in enumerate(evidence.catalog.categories)}
    number |= {query.text: number[query.category] for query in evidence.catalog.queries}
    if evidence.query is None:
        return np.zeros(len(evidence), dtype=np.int64)
    return np.array([0 if query is None else number.get(query, 0) for query in evidence.query])


def _log_rates(evidence: Evidence, group: Ints, item: Ints, shape: tuple[int, int]) -> Floats:
    """Smoothed log click rates over the log's own, [groups, items]."""
    cell, cells = group * shape[1] + item, shape[0] * shape[1]
    base = float(evidence.clicked.mean())
    clicks = np.bincount(cell, evidence.clicked, cells) + PRIOR_ROWS * base
    return np.log(clicks / (np.bincount(cell, minlength=cells) + PRIOR_ROWS) / base).reshape(shape)


def value_in_world(
    world: World,
    creatives: Sequence[Creative],
    policy: RatePolicy,
    impressions: int,
    *,
    conversion_value: float = CONVERSION_VALUE,
    seed: int = 0,
    batch: int = 250,
) -> tuple[float, float]:
    """What a policy earns an impression when it serves a world from its beginning: expected clicks, and clicks plus
    conversions at their worth. Users wear, so a policy that repeats itself pays for it.
    """
    world.reset(seed)
    candidates = world.publish(creatives) if not world.creatives else torch.arange(len(creatives))
    generator, place, earned = torch.Generator().manual_seed(seed), policy.in_world(world), Earned()
    agent = Fixed(lambda visits, shown: shown[place(visits, generator)])
    served = impressions // batch * batch
    serve(world, agent, candidates, served, [earned], batch=batch, conversion_value=conversion_value)
    return earned.clicks / served, earned.reward / served


class Earned(Observer):
    """Expected clicks, and reward, in all."""

    def __init__(self) -> None:
        self.clicks = self.reward = 0.0

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        self.clicks += float(turn.rates.ctr.sum())
        self.reward += float(turn.reward.sum())
