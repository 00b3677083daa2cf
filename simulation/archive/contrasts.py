"""Differences between texts that were tested against each other: the evidence in them, how well a prediction agrees.

Click rates are compared as log-odds within a group, where everything but the text is alike.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIGNIFICANT = 1.96
"""|z| from which a pair counts as significant."""


def effects(trials: Array, successes: Array, group: NDArray[np.int64]) -> tuple[Array, Array]:
    """Log-odds effects and their weights (inverse variances), one a text.

    One Fisher-scoring step from the pooled rate p of the group (one success in 60 trials is added to it, so that it is
    never 0): effect = (successes - trials p) / w, w = trials p (1 - p). It exists where there are no successes.
    """
    sums = [np.bincount(group, values)[group] for values in (trials, successes)]
    rate = (sums[1] + 1) / (sums[0] + 60)
    weight = trials * rate * (1 - rate)
    return (successes - trials * rate) / weight, weight


def centre(values: Array, weight: Array, group: NDArray[np.int64]) -> Array:
    """Values minus the weighted mean of their group."""
    return values - (np.bincount(group, weight * values) / np.bincount(group, weight))[group]


def spread_moments(effect: Array, weight: Array, group: NDArray[np.int64]) -> Array:
    """Sums that tell how far true effects differ within groups, [groups, 3]: their spread, what sampling alone would
    give, and the weight of the variance between arms in the difference.

    Args:
        effect: centred in each group.
        weight: inverse sampling variances.
        group: numbered from 0.
    """
    total = np.bincount(group, weight)
    spread = np.bincount(group, weight * effect**2)
    units = total - np.bincount(group, weight**2) / total
    return np.stack([spread, np.bincount(group) - 1.0, units], axis=1).astype(np.float64)


def variance_between(moments: Array) -> Array:
    """Variance between arms of sums over groups, [..., 3] -> [...]: the moment estimator of DerSimonian and Laird
    (1986), pooled over groups. NaN where no group has two arms: nothing was compared.
    """
    excess, units = moments[..., 0] - moments[..., 1], moments[..., 2]
    return np.divide(excess, units, out=np.full_like(excess, np.nan), where=units > 1e-9)


def thin(arms: pd.DataFrame, most: int, rng: np.random.Generator) -> pd.DataFrame:
    """At most `most` arms, whole stories drawn at random; groups are numbered from 0 again."""
    if len(arms) <= most:
        return arms
    story = pd.factorize(arms.story)[0]
    order = rng.permutation(story.max() + 1)
    kept = order[np.cumsum(np.bincount(story)[order]) <= most]
    arms = arms[np.isin(story, kept)].reset_index(drop=True)
    return arms.assign(group=pd.factorize(arms.group)[0])


@dataclass(frozen=True)
class Agreement:
    """How well predicted log-odds agree with real clicks, within groups."""

    pairs: int
    significant_pairs: int
    accuracy: float
    """Share of pairs whose better text was named; pairs with equal rates are left out. NaN where none is left."""
    accuracy_significant: float
    """The same over pairs with |z| > 1.96."""
    slope: float
    """Real difference per predicted one: 1 where predictions are calibrated, below 1 where they promise too much."""
    explained: float
    """Share of the true variance within groups, sampling noise taken off, that predictions explain."""
    true_deviation: float
    """Standard deviation of true log-odds within groups, sampling noise taken off."""


def agreement(arms: pd.DataFrame, predicted: Array) -> Agreement:
    """Compares predictions with the arms' clicks.

    Args:
        arms: of groups with two texts or more: `group` (numbered from 0), `impressions`, `clicks`.
        predicted: [arms] log-odds, up to a constant a group.
    """
    group = arms.group.to_numpy()
    shown, clicks = arms.impressions.to_numpy(np.float64), arms.clicks.to_numpy(np.float64)
    effect, weight = effects(shown, clicks, group)
    effect, predicted = centre(effect, weight, group), centre(predicted, weight, group)
    first, second, z = pairs(shown, clicks, group)
    right = np.sign(predicted[first] - predicted[second]) == np.sign(z)
    clear = np.abs(z) > SIGNIFICANT
    spread = (weight * predicted**2).sum()
    slope = (weight * predicted * effect).sum() / spread if spread else 0.0
    moments = spread_moments(effect, weight, group)
    variance = float(np.fmax(variance_between(moments.sum(0)), 1e-9))
    units = moments[:, 2].sum()
    return Agreement(
        pairs=len(z),
        significant_pairs=int(clear.sum()),
        accuracy=_mean(right),
        accuracy_significant=_mean(right[clear]),
        slope=float(slope),
        explained=float(slope**2 * spread / units / variance),
        true_deviation=float(variance**0.5),
    )


def pairs(trials: Array, successes: Array, group: NDArray[np.int64]) -> tuple[NDArray, NDArray, Array]:
    """All pairs within groups whose rates differ: indices of both, and z of the pooled two-proportion test."""
    order = np.argsort(group, kind="stable")
    found = [[], []]
    for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        a, b = np.triu_indices(len(members), 1)
        found[0].append(members[a])
        found[1].append(members[b])
    first, second = (np.concatenate(side) for side in found)
    rate = successes / trials
    pooled = (successes[first] + successes[second]) / (trials[first] + trials[second])
    deviation = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / trials[first] + 1 / trials[second]))
    z = (rate[first] - rate[second]) / deviation
    return first[z != 0], second[z != 0], z[z != 0]


def _mean(values: NDArray) -> float:
    return float(values.mean()) if len(values) else float("nan")
