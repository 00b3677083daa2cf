"""From sums by clusters of users to fairness.csv and its summary: rates of each group, gaps, shares of products."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student

from ...serving.exposures import CLICKS, CONVERSIONS, LOOKS, PLAIN, VISITS, Exposure
from ..statistics.bootstrap import Array, Interval
from .measures import exposure, inequality, parity_gap, reach, shortfall

RESAMPLES = 1000
COLUMNS = ("grouping", "group", "measure", "of", "value", "low", "high", "visits")
CATEGORY = "category: "
GAPS = ("ctr", "cvr", "exposure", "reach")


@dataclass(frozen=True)
class Resampled:
    """Sums as they are, first, and as they would have been with other users: [1 + R, G, F], or [1 + R, K]."""

    groups: dict[str, tuple[tuple[str, ...], Array]]
    """By grouping, `segment` and `channel`: names of groups, and sums."""
    units: dict[str, tuple[tuple[str, ...], Array]]
    """By `product`, `category` and, where there are some, `brand`: names, and looks."""
    clusters: int


def resampled(found: Exposure, rng: np.random.Generator, resamples: int = RESAMPLES) -> Resampled:
    """Draws users with all that they did, together (the cluster bootstrap: Field and Welsh, JRSS B 2007)."""
    users, channels, width = found.by_channel.shape
    draws = rng.multinomial(users, np.full(users, 1 / users), size=resamples)
    weights = np.concatenate([np.ones((1, users)), draws])
    mine = found.segment[:, None] == np.arange(len(found.segments))
    of_user = found.by_channel.sum(1)
    by_segment = np.stack([weights[:, own] @ of_user[own] for own in mine.T], axis=1)
    by_channel = (weights @ found.by_channel.reshape(users, -1)).reshape(-1, channels, width)
    groups = {"segment": (found.segments, by_segment), "channel": (found.channels, by_channel)}
    units = {name: (names, weights @ looks) for name, (names, looks) in units_of(found).items()}
    return Resampled(groups, units, users)


def units_of(found: Exposure) -> dict[str, tuple[tuple[str, ...], Array]]:
    """Who can have an exposure: names, and [M, K] looks at each. Products without a brand are of no brand."""
    categories = [i for i, kind in enumerate(found.kinds) if kind.startswith(CATEGORY)]
    looks = found.by_channel.sum(1)[:, [PLAIN + i for i in categories]]
    units = {
        "product": (found.products, found.by_product),
        "category": (tuple(found.kinds[i].removeprefix(CATEGORY) for i in categories), looks),
    }
    brands = tuple(dict.fromkeys(brand for brand in found.brands if brand))
    if brands:
        member = np.array([[own == brand for brand in brands] for own in found.brands], dtype=np.float64)
        units["brand"] = (brands, found.by_product @ member)
    return {name: part for name, part in units.items() if part[0]}


def rates_of(sums: Array, kinds: int) -> dict[str, Array]:
    """[..., F] sums as rates by measure, [..., K]: one column for clicks an impression and conversions a click."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ctr = sums[..., CLICKS] / sums[..., VISITS]
        cvr = sums[..., CONVERSIONS] / sums[..., CLICKS]
        looks = sums[..., PLAIN : PLAIN + kinds] / sums[..., LOOKS, None]
    shown = reach(sums[..., PLAIN + kinds :], sums[..., VISITS])
    return {"ctr": ctr[..., None], "cvr": cvr[..., None], "exposure": looks, "reach": shown}


def interval(values: Array, clusters: int, tests: int = 1) -> Interval:
    """[1 + R] a figure and its resamples: the percentile interval, as `bootstrap` takes it.

    Where the figure is the largest of several differences, Bonferroni's correction asks for percentiles further out
    than resamples reach: the interval is Student's then, with their standard deviation.
    """
    mean, drawn = float(values[0]), values[1:][np.isfinite(values[1:])]
    if clusters < 2 or len(drawn) < 2:
        return Interval(mean=mean, low=np.nan, high=np.nan)
    quantile = student.ppf(1 - 0.025 / tests, clusters - 1)
    if tests > 1:
        half = float(quantile * drawn.std(ddof=1))
        return Interval(mean=mean, low=mean - half, high=mean + half)
    tail = norm.cdf(-np.sqrt(clusters / (clusters - 1)) * quantile)
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(mean=mean, low=float(low), high=float(high))


def gap(rates: Array, kinds: Sequence[str], names: Sequence[str], clusters: int) -> dict[str, Any]:
    """The largest difference between two groups, in one kind, of [1 + R, G, K] rates.

    The two groups and the kind are those of the figures as they are; that they were chosen for being far apart is
    corrected for by Bonferroni's method, over all pairs of groups and kinds.
    """
    _, kind, high, low = parity_gap(rates[0])
    several = len(names) * (len(names) - 1) // 2 * rates.shape[2]
    found = interval(rates[:, high, kind] - rates[:, low, kind], clusters, max(1, several))
    return {**found, "of": kinds[kind], "most": names[high], "least": names[low]}


def fairness_of(
    found: Exposure, rng: np.random.Generator, minimum: float = 0.0, of: str = "product"
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows of fairness.csv, and what summary.json says, of one placement.

    Args:
        found: sums by clusters of users.
        rng: draws users.
        minimum: exposure that units are held against; 0 for none.
        of: which units.

    Returns:
        A table with `COLUMNS`; a summary with gaps by grouping, and `units`: product, category, brand.
    """
    drawn, rows, told = resampled(found, rng), [], {}
    for grouping, (names, sums) in drawn.groups.items():
        rates = rates_of(sums, len(found.kinds))
        seen = sums[0, :, VISITS]
        for measure, values in rates.items():
            kinds = found.kinds if values.shape[2] > 1 else ("",)
            for g, k in np.ndindex(values.shape[1:]):
                if seen[g] > 0:
                    one = interval(values[:, g, k], drawn.clusters)
                    rows.append((grouping, names[g], measure, kinds[k], *one.values(), seen[g]))
        if (seen > 0).sum() > 1:
            labels = {"ctr": ("",), "cvr": ("",)}
            gaps = {m: gap(rates[m], labels.get(m, found.kinds), names, drawn.clusters) for m in GAPS}
            told[grouping] = gaps
            rows += [
                (grouping, f"{g['most']} over {g['least']}", f"{m} gap", g["of"], g["mean"], g["low"], g["high"], None)
                for m, g in gaps.items()
            ]
    told["units"] = {}
    for unit, (names, looks) in drawn.units.items():
        share = exposure(looks)
        for i, name in enumerate(names):
            rows.append((unit, name, "exposure", "", *interval(share[:, i], drawn.clusters).values(), None))
        told["units"][unit] = _units(share, names, drawn.clusters, minimum if unit == of else 0.0)
    return pd.DataFrame(rows, columns=list(COLUMNS)), told


def _units(share: Array, names: Sequence[str], clusters: int, minimum: float) -> dict[str, Any]:
    last = int(share[0].argmin())
    told = {
        "equal": 1 / len(names),
        "least": {**interval(share[:, last], clusters), "of": names[last]},
        "inequality": inequality(share[0]),
    }
    if not minimum:
        return told
    below = int((share[0] < minimum * 0.999).sum())
    return told | {"minimum": minimum, "below": below, "shortfall": float(shortfall(share[0], minimum))}
