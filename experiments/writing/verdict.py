"""What texts are worth in the gold world, by creative and by user."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...policies.reward.diversity import vendi
from ...simulation.data.catalog import EVERYONE, Creative
from ...simulation.text.encoder import TextEncoder
from ...simulation.world import World
from ..analysis.statistics.bootstrap import Array, Interval, bootstrap, crossed_bootstrap, lift_of_ratios

BLOCKS = 256
"""Most places by product that a verdict keeps apart."""
CHUNK, CELLS = 1024, 1 << 22
"""Most creatives judged at once, each for every user; and most pairs of them."""


@dataclass(frozen=True)
class Verdict:
    """Gold expectation of n creatives, each shown in the top slot to the users it is written for."""

    ctr: Array
    """[n] clicks an impression, over the creative's own users."""
    cvr: Array
    """[n] conversions a click."""
    cells: Array
    """[U, P, 3] expected clicks, conversions and impressions by user and product, products in order of their ids; a
    user weighs as much as he visits. Of more products than `BLOCKS`, several share a place."""

    def by_product(self, creatives: Sequence[Creative]) -> Array:
        """[P, 3] the same by product, every creative shown as often; products in order of their ids."""
        _, product = np.unique([creative.product_id for creative in creatives], return_inverse=True)
        values = np.stack([self.ctr, self.ctr * self.cvr, np.ones_like(self.ctr)])
        return np.stack([np.bincount(product, row) for row in values], axis=1).astype(np.float64)

    @property
    def by_user(self) -> Array:
        """[U, 3] the same by user."""
        return self.cells.sum(1)

    def total_ctr(self) -> float:
        """Clicks over impressions, all creatives and users."""
        return float(self.by_user[:, 0].sum() / self.by_user[:, 2].sum())

    def total_cvr(self) -> float:
        """Conversions over clicks."""
        return float(self.by_user[:, 1].sum() / self.by_user[:, 0].sum())


def judge(world: World, creatives: Sequence[Creative]) -> Verdict:
    """Judges creatives by the world's true response; the world does not move."""
    number = {name: i for i, name in enumerate(world.audience.segments)}
    activity, segment = (part.cpu()[:, None] for part in (world.audience.activity.double(), world.audience.segment))
    _, product = np.unique([creative.product_id for creative in creatives], return_inverse=True)
    place = torch.from_numpy(product % BLOCKS)
    cells = torch.zeros(3, len(activity), int(place.max()) + 1, dtype=torch.float64)
    totals, each = [], max(1, min(CHUNK, CELLS // len(activity)))
    for start in range(0, len(creatives), each):
        part = creatives[start : start + each]
        rates = world.gold(part)
        audience = torch.tensor([number.get(creative.audience, -1) for creative in part])
        shown = ((segment == audience) | (audience == number.get(EVERYONE, -1))) * activity
        click = rates.click.double().cpu() * shown
        found = torch.stack([click, click * rates.convert.double().cpu(), shown])
        cells.index_add_(2, place[start : start + each], found)
        totals.append(found.sum(1))
    clicks, conversions, seen = torch.cat(totals, dim=1)
    return Verdict(
        ctr=(clicks / seen.clamp(min=1e-12)).numpy(),
        cvr=(conversions / clicks.clamp(min=1e-12)).numpy(),
        cells=cells.permute(1, 2, 0).contiguous().numpy(),
    )


def lifts(
    tuned: Array, untuned: Array, conversion_value: float, rng: np.random.Generator, doubt: float = 0.0
) -> dict[str, Interval]:
    """Relative gains of the tuned over the untuned writer, with intervals over what was drawn independently.

    Args:
        tuned: of the tuned writer's texts: `Verdict.cells`, for intervals over users and products, or `by_product`
            where users do not differ in what they make of a text.
        untuned: of the untuned writer's, same prompts, as many.
        conversion_value: worth of a conversion in clicks, for the reward.
        rng: draws the resamples.
        doubt: standard deviation of the log of the click lift that the gold itself is unsure of; it widens the
            intervals of `ctr` and `reward`.

    Returns:
        `ctr`, `cvr` and `reward` (clicks plus `conversion_value` times conversions, an impression).
    """

    def lift(top: Array, bottom: Array, doubt: float) -> Interval:
        def statistic(sums: Array) -> Array:
            gain = lift_of_ratios(sums)
            return (1 + gain) * np.exp(rng.normal(0, doubt, gain.shape)) - 1 if gain.ndim else gain

        sums = np.stack([tuned @ top, tuned @ bottom, untuned @ top, untuned @ bottom], axis=-1)
        return (crossed_bootstrap if sums.ndim == 3 else bootstrap)(sums, statistic, rng)

    click, conversion, impression = np.eye(3)
    return {
        "ctr": lift(click, impression, doubt),
        "cvr": lift(conversion, click, 0.0),
        "reward": lift(click + conversion_value * conversion, impression, doubt),
    }


def report_encoder() -> TextEncoder:
    """The encoder of the reported diversity: words, where the reward's sees characters, so that neither flatters the
    other.
    """
    return TextEncoder(dim=256, seed=77, ngrams=(1, 2), words=True)


def vendi_of(creatives: Sequence[Creative]) -> float:
    """Vendi score by the encoder of reports."""
    return vendi(report_encoder().encode([creative.text for creative in creatives]))
