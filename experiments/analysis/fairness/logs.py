"""What groups of users of a log click and buy, as logged and under other policies; users are drawn with all they do."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..statistics.bootstrap import CLUSTERS, Array
from .tables import RESAMPLES, gap, interval

COLUMNS = ("policy", "grouping", "group", "measure", "value", "low", "high", "visits")


def group_sums(
    weight: Array,
    clicked: Array,
    converted: Array,
    user: NDArray[np.int64],
    group: NDArray[np.int64],
    groups: int,
) -> Array:
    """What a log, or a block of it, comes to by cluster of users and group; blocks are added.

    Args:
        weight: [n, L] probability of what was shown under the policy over that under the log's.
        clicked: [n, L].
        converted: [n, L].
        user: [n] who it was.
        group: [n] of which group.
        groups: G.

    Returns:
        [CLUSTERS, G, 1 + 3 L] visits; and by slot weights, weighted clicks, and weighted conversions.
    """
    cell, cells = (user % CLUSTERS) * groups + group, CLUSTERS * groups
    columns = np.concatenate([np.ones((len(weight), 1)), weight, weight * clicked, weight * converted], axis=1)
    sums = [np.bincount(cell, column, cells) for column in columns.T]
    return np.stack(sums, 1).reshape(CLUSTERS, groups, -1).astype(np.float64)


def group_rates(
    sums: Array, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[dict[str, Array], int, Array]:
    """Clicks an impression and conversions a click of each group, by self-normalised importance weighting.

    ctr = sum over slots of sum w c / sum w, cvr = sum w v / sum w c over all slots (Swaminathan and Joachims, "The
    self-normalized estimator for counterfactual learning", NeurIPS 2015); with weights of 1 they are the log's own.

    Args:
        sums: see `group_sums`, of all blocks.
        rng: draws users, each with all impressions.
        resamples: R.

    Returns:
        `ctr` and `cvr`, [1 + R, G, 1], first as they are; the number of clusters of users; and visits, [G].
    """
    visits, groups = sums[:, :, 0], sums.shape[1]
    clusters = int(np.flatnonzero(visits.any(1))[-1]) + 1
    draws = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    drawn = np.concatenate([np.ones((1, clusters)), draws]) @ sums[:clusters, :, 1:].reshape(clusters, -1)
    shown, clicks, bought = np.split(drawn.reshape(1 + resamples, groups, -1), 3, axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = {"ctr": (clicks / shown).sum(2), "cvr": bought.sum(2) / clicks.sum(2)}
    return {name: values[..., None] for name, values in rates.items()}, clusters, visits.sum(0)


def groups_told(
    policy: str, grouping: str, names: Sequence[str], rates: Mapping[str, Array], clusters: int, visits: Array
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows of fairness.csv, and the largest gaps, of what `group_rates` found."""
    rows = [
        (policy, grouping, names[g], measure, *interval(values[:, g, 0], clusters).values(), int(visits[g]))
        for measure, values in rates.items()
        for g in range(len(names))
    ]
    known = {name: values for name, values in rates.items() if np.isfinite(values[0]).sum() > 1}
    gaps = {name: gap(values, ("",), names, clusters) for name, values in known.items()}
    return pd.DataFrame(rows, columns=list(COLUMNS)), gaps
