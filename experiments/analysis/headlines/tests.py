"""An archive's tests as tests: when a winner could have been called, which texts differ, what was dealt unevenly."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..statistics.sequential import call_winner, discoveries, sample_ratio_mismatch, two_proportions
from .replay import BATCHES, ArchiveTests

FALSE_DISCOVERIES = 0.05
"""Share of false ones expected among the texts that are said to differ."""
MISMATCH = 0.001
"""p-value of a sample ratio below which something is broken (Fabijan et al., KDD 2019)."""


def winners(tests: ArchiveTests, traffic: Sequence[int], rng: np.random.Generator) -> list[dict[str, Any]]:
    """In how many tests an A/B test, all arms shown as often and watched in `BATCHES` looks, calls a winner by when.

    Args:
        tests: whose true rates the clicks are drawn from.
        traffic: impressions a test; the largest is the length of the test.
        rng: draws clicks.

    Returns:
        By traffic: `impressions`, and the shares of tests `called` and `wrong` (called, but another arm is better).
    """
    bounds = np.linspace(0, max(traffic), BATCHES + 1)
    shown = np.diff(np.floor(bounds[:, None] / tests.sizes[tests.test]), axis=0)
    clicks = rng.binomial(shown.astype(np.int64), tests.rate).astype(np.float64)
    after, right = [], []
    for start, size in zip(tests.starts, tests.sizes, strict=True):
        arms = slice(start, start + size)
        call = call_winner(clicks[:, arms], shown[:, arms])
        after.append(np.inf if call.winner is None else call.impressions)
        right.append(call.winner is not None and tests.rate[arms][call.winner] == tests.rate[arms].max())
    called = np.array(after)[:, None] <= np.array(traffic)
    wrong = called & ~np.array(right)[:, None]
    return [
        {"impressions": total, "called": float(c), "wrong": float(w)}
        for total, c, w in zip(traffic, called.mean(0), wrong.mean(0), strict=True)
    ]


def differing(arms: pd.DataFrame) -> dict[str, int]:
    """How many texts have another click rate than the other texts of their group together, false discoveries held down.

    Args:
        arms: `Archive.contrasts`.

    Returns:
        `texts`, those with p < 0.05 taken one by one (`alone`), and those that stand at `FALSE_DISCOVERIES`.
    """
    counts = arms[["clicks", "impressions"]].astype(float)
    rest = counts.groupby(arms.group).transform("sum") - counts
    p_values = two_proportions(counts.clicks, counts.impressions, rest.clicks, rest.impressions)
    found = discoveries(p_values, FALSE_DISCOVERIES)
    return {"texts": len(arms), "alone": int((p_values < 0.05).sum()), "discoveries": int(found.sum())}


def mismatched(arms: pd.DataFrame) -> pd.DataFrame:
    """Tests whose impressions were not dealt evenly to their arms: `test_id, arms, p_value`, most uneven first.

    Args:
        arms: `Archive.arms`; a text that the file has in several rows is due as many shares.
    """
    rows = [
        (test, len(part), sample_ratio_mismatch(part.impressions, part.rows))
        for test, part in arms.groupby("test_id")
        if len(part) > 1
    ]
    found = pd.DataFrame(rows, columns=["test_id", "arms", "p_value"])
    return found[found.p_value < MISMATCH].sort_values("p_value", ignore_index=True)
