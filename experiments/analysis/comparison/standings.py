"""Who is ahead: what the cells of a comparison say of its agents, world by world and over all worlds."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..drawing.formats import bracketed
from ..statistics.bootstrap import Array, Interval
from ..statistics.paired import chance_of_best, paired_differences, t_interval

UNIFORM = "random"
FIGURES = ("reward", "regret", "capture", "decisions_per_second")


class Standings:
    """Figures of agents from the rows of their cells; everything is paired by seed."""

    def __init__(self, rows: pd.DataFrame, agents: Sequence[str], rng: np.random.Generator) -> None:
        """Takes the cells of all agents, in all worlds and from all seeds.

        Args:
            rows: columns as in `results.SCHEMA`.
            agents: in the order in which they are listed.
            rng: for the chances of being best.
        """
        self.rows, self.agents, self.rng = rows, list(agents), rng
        self.worlds = list(dict.fromkeys(rows["world"]))

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row a cell: agent, world, seed and the `FIGURES`; reward and regret are an impression."""
        size = [np.asarray(values, dtype=np.float64) for values in self.rows["size"]]
        mean = {
            name: np.array([np.dot(v, n) / n.sum() for v, n in zip(self.rows[name], size, strict=True)])
            for name in ("reward", "oracle")
        }
        cells = self.rows[["agent", "world", "seed"]].assign(
            **mean, decisions_per_second=[n.sum() for n in size] / self.rows["seconds"].clip(lower=1e-9)
        )
        uniform = cells[cells["agent"] == UNIFORM].set_index(["world", "seed"])["reward"]
        base = uniform.loc[list(zip(cells["world"], cells["seed"], strict=True))].to_numpy()
        # Oracle and agent meet the same moments, but an agent wears its own visitors out: each has its own oracle.
        capture = (cells["reward"] - base) / (cells["oracle"] - base)
        return cells.assign(regret=cells["oracle"] - cells["reward"], capture=capture)

    def values(self, figure: str, world: str | None = None) -> Array:
        """[agents, seeds] of a figure, in one world or as the mean over worlds."""
        cells = self.cells if world is None else self.cells[self.cells["world"] == world]
        table = cells.groupby(["agent", "seed"])[figure].mean().unstack("seed")
        return table.loc[self.agents].to_numpy(np.float64)

    def figures(self, world: str | None = None) -> dict[str, dict[str, Any]]:
        """By agent: every figure with its interval over seeds, and the chance of being best by reward."""
        found: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        for figure in FIGURES:
            for agent, row in zip(self.agents, self.values(figure, world), strict=True):
                found[agent][figure] = t_interval(row)
        for agent, chance in zip(self.agents, chance_of_best(self.values("reward", world), self.rng), strict=True):
            found[agent]["best"] = float(chance)
        for agent, told in self._traffic(world).items():
            found[agent] |= {"traffic": told} if told else {}
        return found

    @property
    def best(self) -> str:
        """The agent of the highest mean reward."""
        return self.agents[int(self.values("reward").mean(1).argmax())]

    def _traffic(self, world: str | None) -> dict[str, dict[str, float]]:
        """By agent: the mean over its cells of what they tell of delays, money and caps."""
        rows = self.rows if world is None else self.rows[self.rows["world"] == world]
        told = pd.DataFrame(list(rows["traffic"].map(json.loads)), index=rows["agent"])
        means = told.groupby(level=0).mean()
        return {agent: means.loc[agent].dropna().to_dict() for agent in self.agents}

    def summary(self) -> dict[str, Any]:
        """Its part of summary.json: `agents` over all worlds, and `worlds` one by one if there are several."""
        one = {"agents": self.figures(), "seeds": int(self.rows["seed"].nunique())}
        if len(self.worlds) == 1:
            return one
        return one | {"worlds": {world: {"agents": self.figures(world)} for world in self.worlds}}

    def differences(self) -> pd.DataFrame:
        """Paired differences of reward an impression by world; Holm's correction within each world."""
        parts = [
            paired_differences(self.values("reward", world), self.agents).assign(world=world) for world in self.worlds
        ]
        return pd.concat(parts, ignore_index=True)

    def curves(self) -> pd.DataFrame:
        """Along each cell: agent, world, seed, impressions so far, cumulative regret, and the batch's mean reward."""
        parts = []
        for row in self.rows.itertuples():
            size, reward = np.asarray(row.size), np.asarray(row.reward)
            regret = np.cumsum((np.asarray(row.oracle) - reward) * size)
            along = {"impressions": np.cumsum(size), "regret": regret, "reward": reward}
            parts.append(pd.DataFrame({"agent": row.agent, "world": row.world, "seed": row.seed, **along}))
        curves = pd.concat(parts, ignore_index=True)
        order = pd.Categorical(curves["agent"], self.agents)
        return curves.iloc[np.lexsort((curves["impressions"], curves["seed"], curves["world"], order.codes))]

    def verdict(self, world: str) -> str:
        """Which agents the one that earned most in a world is surely better than, at 5% over all pairs."""
        rewards = {name: row["reward"]["mean"] for name, row in self.figures(world).items()}
        leader, pairs = max(rewards, key=rewards.__getitem__), self.differences()
        mine = pairs[(pairs.world == world) & (pairs.better == leader)]
        beaten = mine.worse[mine.p_holm < 0.05].tolist()
        left = [name for name in rewards if name not in (leader, *beaten)]
        where = f"in {world}: " if len(self.worlds) > 1 else ""
        if not beaten:
            return f"{where}{leader} earned most, by less than chance may do; more --seeds or --impressions would tell"
        rest = f"; not told apart from {', '.join(left)}" if left else ""
        return f"{where}{leader} earned most, surely more than {', '.join(beaten)} (p < 0.05, Holm){rest}"

    def text(self) -> str:
        """A table for the terminal, best first, and what it comes to."""
        lines = [f"{'agent':<22} {'capture, 95% interval':>26}   reward    best   us a decision"]
        for name, row in sorted(self.figures().items(), key=lambda item: -item[1]["reward"]["mean"]):
            capture: Interval = row["capture"]
            figure = f"{bracketed(capture, '+.3f'):>26}"
            micro = 1e6 / row["decisions_per_second"]["mean"]
            line = f"{name:<22} {figure}   {row['reward']['mean']:.5f}   {row['best']:>4.0%}"
            lines.append(f"{line}   {micro:>13.1f}")
        return "\n".join([*lines, *map(self.verdict, self.worlds)])
