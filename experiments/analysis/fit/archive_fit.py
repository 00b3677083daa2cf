"""Does a world fitted to an archive differ from text to text, and from test to test, as the archive does?"""

from typing import Any

import numpy as np
import pandas as pd

from ....simulation.archive.contrasts import agreement, centre, effects, spread_moments, variance_between
from ....simulation.archive.picture_and_text import PAIRS, pair_sums, parts
from ....simulation.archive.tests import Archive
from ....simulation.data.catalog import Creative
from ....simulation.world import World
from ..statistics.bootstrap import Array, bootstrap

DRAWS = 20
"""Times that the archive's tests are run again in the world."""


def spreads(archive: Archive, world: World, seed: int = 0) -> dict[str, Any]:
    """Standard deviations of log-odds, sampling noise taken off, of the archive and of its tests run in the world with
    as many impressions.

    Args:
        archive: what the world is held against.
        world: has the archive's tests as products.
        seed: draws the clicks, and the resamples of groups that intervals are over.

    Returns:
        `texts` (inside groups that differ in text alone) and `tests` (between tests): `archive`, `world` and their
        `ratio`, those of texts with intervals over groups; `clear_winners`: share of significant pairs that the world
        orders as the archive does.
    """
    rng = np.random.default_rng(seed)
    arms, rates = archive.contrasts, _rates(world, archive.contrasts)
    shown = arms.impressions.astype(int)
    again = [_moments(arms, rng.binomial(shown, rates).astype(np.float64)) for _ in range(DRAWS)]
    texts = _beside(_moments(arms, arms.clicks.to_numpy(np.float64)), np.mean(again, axis=0), rng)
    whole = _by_test(archive.arms.assign(expected=_rates(world, archive.arms) * archive.arms.impressions))
    chance, shown = whole.expected / whole.impressions, whole.impressions.astype(int)
    runs = [_between(whole.impressions, rng.binomial(shown, chance).astype(np.float64)) for _ in range(DRAWS)]
    ours = _between(whole.impressions, whole.clicks)
    return {
        "texts": texts,
        "tests": {"archive": ours, "world": float(np.mean(runs)), "ratio": float(np.mean(runs)) / ours},
        "groups": int(arms.group.nunique()),
        "clear_winners": agreement(arms, np.log(rates / (1 - rates))).accuracy_significant,
    }


def picture_and_text(archive: Archive, seed: int = 0) -> dict[str, Any] | None:
    """How much of what tells packages of a test apart is whose, with intervals over tests; None where the archive has
    not all kinds of pairs.

    Returns:
        Variances of log-odds (`headline`, `picture`, `interplay`), each one's share of their sum, and `pairs`, how many
        there are of each kind.
    """
    sums = pair_sums(archive.arms)
    pairs = sums.sum(0).reshape(len(PAIRS), 3)[:, 2]
    if not pairs.all():
        return None
    names = parts(sums.sum(0))
    found = {name: bootstrap(sums, lambda s, name=name: parts(s)[name], np.random.default_rng(seed)) for name in names}
    return found | {"pairs": dict(zip(PAIRS, pairs.astype(int).tolist(), strict=True))}


def _rates(world: World, arms: pd.DataFrame, chunk: int = 1000) -> Array:
    creatives = [Creative(test, text) for test, text in zip(arms.test_id, arms.text, strict=True)]
    parts = [world.gold(creatives[i : i + chunk]).ctr.mean(0).double().cpu() for i in range(0, len(creatives), chunk)]
    return np.concatenate([part.numpy() for part in parts])


def _by_test(arms: pd.DataFrame) -> pd.DataFrame:
    return arms.groupby("test_id", sort=False)[["impressions", "clicks", "expected"]].sum().reset_index()


def _moments(arms: pd.DataFrame, clicks: Array) -> Array:
    group = arms.group.to_numpy()
    effect, weight = effects(arms.impressions.to_numpy(np.float64), np.asarray(clicks, dtype=np.float64), group)
    return spread_moments(centre(effect, weight, group), weight, group)


def _deviation(moments: Array) -> Array:
    return np.sqrt(np.maximum(variance_between(moments), 1e-9))


def _beside(archive: Array, world: Array, rng: np.random.Generator) -> dict[str, Any]:
    both = np.concatenate([archive, world], axis=1)
    return {
        "archive": bootstrap(both, lambda sums: _deviation(sums[..., :3]), rng),
        "world": bootstrap(both, lambda sums: _deviation(sums[..., 3:]), rng),
        "ratio": bootstrap(both, lambda sums: _deviation(sums[..., 3:]) / _deviation(sums[..., :3]), rng),
    }


def _between(shown: pd.Series, clicks: pd.Series | Array) -> float:
    """Standard deviation of the tests' log-odds."""
    hits = np.asarray(clicks, dtype=np.float64) + 0.5
    misses = shown.to_numpy(np.float64) - hits + 1
    weight = 1 / (1 / hits + 1 / misses)
    group = np.zeros(len(hits), dtype=np.int64)
    return float(_deviation(spread_moments(centre(np.log(hits / misses), weight, group), weight, group)[0]))
