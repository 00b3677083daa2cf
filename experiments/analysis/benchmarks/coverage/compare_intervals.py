"""Do the intervals of `compare` hold the truth, for each agent and each kind of traffic?

Of many seeds of one cell, a few at a time make an interval, as the command makes it; the truth is the mean of all.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from .....agents.registry import AGENTS
from .....agents.traffic.options import TrafficOptions
from ....harness.run import Run
from ...comparison.cells import CellSetting, build_world, one_thread, serve_one
from ...comparison.standings import UNIFORM, Standings
from ...statistics.bootstrap import Array
from .propensities import TRAFFIC

SEEDS, QUICK_SEEDS, GROUP = 120, 10, 5
"""Cells of each configuration, and how many of them an interval rests on: the command's default."""
GROUPS, RESAMPLES = 4000, 100
SETTING = CellSetting(
    users=60,
    creatives=6,
    retrieved=6,
    impressions=1200,
    batch=300,
    conversion_value=10.0,
    discount=1.0,
    window=None,
    device="cpu",
)
SCENARIO, IN_TRAFFIC = "shop", "linucb"
FIGURES = ("reward", "regret", "capture")


def measure(run: Run, seed: int) -> list[dict[str, Any]]:
    """A row a configuration and figure."""
    seeds, rows = QUICK_SEEDS if run.options.run.quick else SEEDS, []
    plain = tuple(name for name in AGENTS if not name.startswith("sb3"))
    asked: list[tuple[str, TrafficOptions, tuple[str, ...]]] = [("plain", SETTING.traffic, plain)]
    asked += [(name, traffic, (UNIFORM, IN_TRAFFIC)) for name, traffic in TRAFFIC.items()]
    cells: dict[str, list[dict[str, Any]]] = {name: [] for name, _, _ in asked}
    with run.stage("compare", total=seeds) as stage, one_thread():
        for number in range(seed, seed + seeds):
            world, candidates = build_world(SETTING, SCENARIO, number)
            for name, traffic, agents in asked:
                setting = replace(SETTING, traffic=traffic)
                key = {"world": SCENARIO, "seed": number}
                cells[name] += [
                    key | {"agent": agent} | serve_one(world, candidates, agent, setting, number) for agent in agents
                ]
            stage.advance(1)
    for name, _, agents in asked:
        standings = Standings(pd.DataFrame(cells[name]), agents, np.random.default_rng(seed))
        for figure in FIGURES:
            for agent, values in zip(agents, standings.values(figure), strict=True):
                if np.ptp(values) > 0 and (agent != UNIFORM or name == "plain"):
                    rows.append({"agent": agent, "traffic": name, "figure": figure, **covered(values, seed)})
    outside = [row for row in rows if row["high"] < 0.93 or row["low"] > 0.97]
    run.say(
        f"intervals of compare, {len(rows)} configurations: {len(rows) - len(outside)} cover 93% to 97%, error given"
    )
    run.say(*(f"  NOT: {r['agent']}, {r['traffic']}, {r['figure']}: {r['coverage']:.1%}" for r in outside))
    return rows


def covered(values: Array, seed: int) -> dict[str, Any]:
    """How often the interval of `GROUP` of [n] values, drawn without return, holds the mean of all; its error is that
    over resamples of the values, as groups share them.
    """
    rng = np.random.default_rng(seed)
    coverage = _coverage(values, GROUPS, rng)
    again = [_coverage(rng.choice(values, len(values)), GROUPS // 10, rng) for _ in range(RESAMPLES)]
    error = float(np.std(again, ddof=1))
    return {
        "coverage": coverage,
        "low": coverage - 1.96 * error,
        "high": coverage + 1.96 * error,
        "seeds": len(values),
        "skewness": float(pd.Series(values).skew()),
    }


def _coverage(values: Array, groups: int, rng: np.random.Generator) -> float:
    drawn = values[rng.random((groups, len(values))).argpartition(GROUP, axis=1)[:, :GROUP]]
    mean, deviation = drawn.mean(1), drawn.std(1, ddof=1)
    half = student.ppf(0.975, GROUP - 1) * deviation / np.sqrt(GROUP)
    return float((np.abs(mean - values.mean()) <= half).mean())
