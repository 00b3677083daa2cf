"""Groups of a log's users: what they click and buy, as logged and under the policies that are valued."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from ..analysis.fairness.logs import group_rates, group_sums, groups_told
from ..analysis.off_policy.evidence import Evidence
from ..analysis.off_policy.logged import Log, Logged
from ..analysis.off_policy.slate_estimators import down
from ..analysis.off_policy.weighted_log import WeightedLog
from ..analysis.statistics.bootstrap import Array
from ..harness.files import write_table
from ..harness.run import Run


class GroupsOfUsers:
    """Clicks and conversions of groups of users, policy by policy; the log's own come first."""

    def __init__(self, valued: Log, log: str, rng: np.random.Generator) -> None:
        """Starts with the log itself, which is called `log`; nothing is done where no groups are asked for."""
        self._groups, self._rng = valued.groups, rng
        self._tables: list[pd.DataFrame] = []
        self._told: list[dict[str, Any]] = []
        if self._groups:
            self._add(log, ((block, np.ones(block.clicked.shape)) for block in valued if len(block)))

    def add(self, policy: str, found: Evidence) -> None:
        """A policy, by the weights that it gives the log."""
        if self._groups:
            self._add(policy, ((block, _weight(told)) for block, told in found.blocks()))

    def saved(self, run: Run) -> dict[str, Any]:
        """What summary.json says, `groups` where some are asked for; all rates are left in fairness.csv."""
        if not self._groups:
            return {}
        write_table(run.path / "fairness.csv", pd.concat(self._tables, ignore_index=True))
        return {"groups": self._told}

    def _add(self, policy: str, blocks: Iterable[tuple[Logged, Array]]) -> None:
        sums, told = dict.fromkeys(self._groups, np.zeros(())), {}
        for block, weight in blocks:
            assert block.group is not None
            assert block.user is not None
            clicked, converted = block.clicked.astype(float), block.converted.astype(float)
            for (grouping, names), group in zip(self._groups.items(), block.group.T, strict=True):
                found = group_sums(weight, clicked, converted, block.user, group, len(names))
                sums[grouping] = sums[grouping] + found
        for grouping, names in self._groups.items():
            rates, clusters, visits = group_rates(sums[grouping], self._rng)
            table, told[grouping] = groups_told(policy, grouping, names, rates, clusters, visits)
            self._tables.append(table)
        self._told.append({"policy": policy, **told})


def _weight(found: WeightedLog) -> Array:
    """[n, L] of creatives in their slots; where the log does not tell those, of all down to each."""
    if found.weight is not None:
        return found.weight
    assert found.chain is not None
    return down(found.chain)
