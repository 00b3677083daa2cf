"""Who was shown what, placement by placement; and what a minimum exposure costs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...agents.traffic.options import TrafficOptions
from ..analysis.comparison.cells import exposed, parse_agent, without_minimum
from ..analysis.comparison.standings import Standings
from ..analysis.fairness.measures import exposure
from ..analysis.fairness.tables import fairness_of, units_of
from ..analysis.statistics.bootstrap import Array
from ..analysis.statistics.paired import t_interval
from ..harness.files import write_table
from ..harness.run import Run
from ..serving.exposures import CLICKS, VISITS, Exposure
from .placement import Placement

Told = list[dict[str, Any]]


def minimum_of_all(traffic: TrafficOptions) -> float:
    """The share of everyone's looks that units are held against; 0 where the minimum is within groups."""
    return traffic.min_exposure if traffic.min_exposure_within == "everyone" else 0.0


def of_placements(
    run: Run, placements: Mapping[tuple[str, str], Placement], traffic: TrafficOptions, seed: int
) -> Told:
    """Leaves fairness.csv of the placements of a loop, by writer and placement, and gives its part of the summary."""
    rng = np.random.default_rng(seed)
    least = minimum_of_all(traffic)
    parts = {
        (("writer", writer), ("placement", how)): (found.exposure, least if how == "bandit" else 0.0)
        for (writer, how), found in placements.items()
    }
    return _saved(run, parts, rng, traffic.min_exposure_of)


def of_agents(run: Run, rows: pd.DataFrame, agents: Sequence[str], traffic: TrafficOptions, seed: int) -> Told:
    """The same of the agents of a comparison, by world and agent; users of all seeds are taken together."""
    rng = np.random.default_rng(seed)
    parts = {
        (("world", str(world)), ("agent", agent)): (
            Exposure.pooled(_exposures(rows[(rows["world"] == world) & (rows["agent"] == agent)])),
            minimum_of_all(exposed(parse_agent(agent)[1], traffic)) if agent != agents[0] else 0.0,
        )
        for world in dict.fromkeys(rows["world"])
        for agent in agents
    }
    return _saved(run, parts, rng, traffic.min_exposure_of)


def prices(standings: Standings, of: str) -> Told:
    """What a minimum exposure cost each agent that also ran without it, paired by seed, world by world.

    `reward` and `ctr` are shares lost; `least` is the exposure of the product, category or brand (`of`) that had least,
    and `below` how many shares were below the minimum in the seed that left most, as the agent counted them.
    """
    found = []
    for world in standings.worlds:
        rows = standings.rows[standings.rows["world"] == world]
        reward = dict(zip(standings.agents, standings.values("reward", world), strict=True))
        for agent in standings.agents:
            base, minimum = without_minimum(agent)
            if minimum is None or base not in reward:
                continue
            own = rows[rows["agent"] == agent]
            told = [json.loads(text) for text in own["traffic"]]
            clicks = [_ctr(rows[rows["agent"] == name]) for name in (agent, base)]
            found.append(
                {
                    "world": world,
                    "agent": base,
                    "minimum": minimum,
                    "reward": t_interval(1 - reward[agent] / reward[base]),
                    "ctr": t_interval(1 - clicks[0] / clicks[1]),
                    "least": t_interval(_least(own, of)),
                    "least_without": t_interval(_least(rows[rows["agent"] == base], of)),
                    "below": int(max(figures["below_minimum"] for figures in told)),
                }
            )
    return found


def _saved(
    run: Run, parts: Mapping[tuple[tuple[str, str], ...], tuple[Exposure, float]], rng: np.random.Generator, of: str
) -> Told:
    tables, told = [], []
    for names, (found, minimum) in parts.items():
        table, summary = fairness_of(found, rng, minimum, of)
        for place, (name, value) in enumerate(names):
            table.insert(place, name, value)
        tables.append(table)
        told.append({**dict(names), **summary})
    write_table(run.path / "fairness.csv", pd.concat([table.astype(object) for table in tables], ignore_index=True))
    return told


def _exposures(rows: pd.DataFrame) -> list[Exposure]:
    ordered = rows.sort_values("seed")
    return [Exposure.of_flat(*pair) for pair in zip(ordered["shown_to"], ordered["looks"], strict=True)]


def _least(rows: pd.DataFrame, of: str) -> Array:
    """[seeds] exposure of who had least."""
    return np.array([exposure(units_of(found)[of][1].sum(0)).min() for found in _exposures(rows)])


def _ctr(rows: pd.DataFrame) -> Array:
    """[seeds] clicks an impression."""
    sums = np.stack([found.by_channel.sum((0, 1)) for found in _exposures(rows)])
    return sums[:, CLICKS] / sums[:, VISITS]
