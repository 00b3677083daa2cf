"""Groups of a log's users: what they click and buy, as logged and under the policies that are valued."""

from typing import Any

import numpy as np
import pandas as pd

from ..analysis.fairness.logs import group_rates, groups_told
from ..analysis.off_policy.evaluation import WeightedLog
from ..analysis.off_policy.logged import Logged
from ..analysis.off_policy.slate_estimators import down
from ..analysis.statistics.bootstrap import Array
from ..harness.files import write_table
from ..harness.run import Run


class GroupsOfUsers:
    """Clicks and conversions of groups of users, policy by policy; the log's own come first."""

    def __init__(self, valued: Logged, log: str, rng: np.random.Generator) -> None:
        """Starts with the log itself, which is called `log`; nothing is done where no groups are asked for."""
        self._valued, self._rng = valued, rng
        self._tables: list[pd.DataFrame] = []
        self._told: list[dict[str, Any]] = []
        if valued.groups:
            self._add(log, np.ones(valued.clicked.shape))

    def add(self, policy: str, found: WeightedLog) -> None:
        """A policy, by the weights that it gives the log."""
        chain = None if found.chain is None else down(found.chain)
        weight = chain if found.weight is None else found.weight
        if self._valued.groups and weight is not None:
            self._add(policy, weight)

    def saved(self, run: Run) -> list[dict[str, Any]]:
        """What summary.json says; all rates are left in fairness.csv."""
        write_table(run.path / "fairness.csv", pd.concat(self._tables, ignore_index=True))
        return self._told

    def _add(self, policy: str, weight: Array) -> None:
        valued, told = self._valued, {}
        assert valued.group is not None
        for (grouping, names), group in zip(valued.groups.items(), valued.group.T, strict=True):
            clicked, converted = valued.clicked.astype(float), valued.converted.astype(float)
            user = valued.impressions.user.numpy()
            rates, clusters = group_rates(weight, clicked, converted, user, group, len(names), self._rng)
            visits = np.bincount(group, minlength=len(names)).astype(float)
            table, gaps = groups_told(policy, grouping, names, rates, clusters, visits)
            self._tables.append(table)
            told[grouping] = gaps
        self._told.append({"policy": policy, **told})
