"""Are propensities what they say? One visit, many times over, before an agent that has learned: how often each choice
comes, against the probability that is told with it.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import chi2, norm
from torch import Tensor

from .....agents.agent import Decision, PlacementAgent
from .....agents.checked import CheckedAgent, Serving
from .....agents.registry import AGENTS, agent_for
from .....agents.traffic.frequency import FrequencyCap
from .....agents.traffic.options import NO_OPTIONS, TrafficOptions
from .....agents.traffic.wrapper import joined
from .....envs.placement import first_ads
from .....simulation.scenario import load_scenario
from .....simulation.visitors.traffic import Impressions
from .....simulation.world import World, make_world
from ....harness.run import Run
from ....serving.serve import serve
from ...statistics.paired import holm

USERS, CREATIVES, LEARNED, BATCH = 200, 8, 4096, 512
COPIES, QUICK_COPIES = 20_000, 2000
ESTIMATED, DRAWS = 60, 1024
"""Slates, the most frequent, whose propensities are estimated where they are not told, and draws for each."""
FEWEST = 10.0
"""Times that a choice must be expected to come, to be a cell of its own."""
SCENARIOS = ("shop", "feed", "support")
TRAFFIC: dict[str, TrafficOptions] = {
    "at most one of a brand": TrafficOptions(brand_cap=1),
    "texts unlike": TrafficOptions(most_alike=0.3),
    "at most 3 a day": TrafficOptions(daily_cap=3),
    "a budget": TrafficOptions(budget=20.0),
    "minimum exposure": TrafficOptions(min_exposure=0.05),
    "minimum exposure by segment": TrafficOptions(min_exposure=0.05, min_exposure_within="segment"),
    "delay, credited": TrafficOptions(delay="credited"),
    "delay, waited": TrafficOptions(delay="waited"),
}
SERVED: dict[str, Serving] = {
    "forgets": Serving(discount=0.9999),
    "window": Serving(window=2000),
    "floor of 2%": Serving(floor=0.02),
}
TRIED_IN_TRAFFIC = ("epsilon-greedy", "softmax", "squarecb", "sb3-a2c")
"""Agents with exact propensities, of which each kind of traffic is tried."""


@dataclass(frozen=True)
class Case:
    """An agent in its surroundings."""

    agent: str
    scenario: str
    surroundings: str = "plain"
    traffic: TrafficOptions = NO_OPTIONS
    serving: Serving | None = None


@dataclass(frozen=True)
class Found:
    """Choices of one case, over all cells."""

    cells: int
    square: float
    """Pearson's sum, or that of squared standardised differences where propensities are estimated."""
    freedom: int
    worst: float
    """Largest difference in standard deviations."""
    constant: bool
    """Whether the same choice was told with the same propensity each time."""


def measure(run: Run, seed: int) -> list[dict[str, Any]]:
    """A row a case; `p_holm` below 0.05 is a propensity that is not what it says."""
    rows, worlds = [], {name: _world(name, seed) for name in SCENARIOS}
    copies, asked = (QUICK_COPIES, cases()[::6]) if run.options.run.quick else (COPIES, cases())
    with run.stage("propensities", total=len(asked)) as stage:
        for case in asked:
            rows.append(_row(case, worlds[case.scenario], copies, seed))
            stage.advance(1, f"{case.agent}, {case.scenario}, {case.surroundings}")
    for row, p in zip(rows, holm(np.array([row["p"] for row in rows])), strict=True):
        row["p_holm"] = float(p)
    wrong = [row for row in rows if row["p_holm"] < 0.05 or not row["constant"]]
    run.say(f"propensities of {len(rows)} configurations: {len(rows) - len(wrong)} within binomial error")
    run.say(
        *(f"  NOT: {row['agent']}, {row['scenario']}, {row['surroundings']}: {row['worst']:.1f} sd" for row in wrong)
    )
    return rows


def cases() -> list[Case]:
    """Each agent in each kind of world, and some in each kind of traffic."""
    found = [Case(agent, scenario) for agent in AGENTS for scenario in SCENARIOS]
    found += [Case(agent, "shop", name, traffic) for agent in TRIED_IN_TRAFFIC for name, traffic in TRAFFIC.items()]
    bandits = [agent for agent in TRIED_IN_TRAFFIC if not agent.startswith("sb3")]
    return found + [Case(agent, "shop", name, serving=one) for agent in bandits for name, one in SERVED.items()]


def _world(name: str, seed: int) -> World:
    scenario, catalog = load_scenario(name)
    world = make_world(scenario, catalog, seed=seed, users=USERS)
    world.publish(first_ads(catalog)[:CREATIVES])
    return world


def _row(case: Case, world: World, copies: int, seed: int) -> dict[str, Any]:
    world.reset(seed)
    candidates = torch.arange(CREATIVES)
    agent = agent_for(world, case.agent, seed=seed, serving=case.serving, traffic=case.traffic, visits=LEARNED + copies)
    serve(world, agent, candidates, LEARNED, batch=BATCH)
    many, decision = _decided(agent, world.visitors(1), candidates, copies)
    told, error, method = _told(agent, many, candidates, decision)
    row = {"agent": case.agent, "scenario": case.scenario, "surroundings": case.surroundings, "method": method}
    if told is None:
        return row | {"decisions": len(decision.slates), "cells": 0, "p": 1.0, "worst": 0.0, "constant": True}
    found = compare(decision.slates.numpy(), told, error)
    p = float(chi2.sf(found.square, found.freedom)) if found.freedom else 1.0
    return row | {
        "decisions": len(decision.slates),
        "cells": found.cells,
        "p": p,
        "worst": found.worst,
        "constant": found.constant,
    }


def _decided(
    agent: PlacementAgent, visit: Impressions, candidates: Tensor, copies: int
) -> tuple[Impressions, Decision]:
    """The same visit so many times over, by every user in turn, each on days of their own: nobody is worn or capped."""
    turn = torch.arange(copies)
    given = {k: v.repeat(copies, *(1,) * (v.dim() - 1)) for k, v in vars(visit).items() if v is not None}
    many = Impressions(**given | {"user": turn % USERS, "hours": given["hours"] + 48.0 * (1 + turn // USERS)})
    if not isinstance(agent, FrequencyCap):
        return many, agent.act(many, candidates)
    parts = [agent.act(many[rows], candidates) for rows in turn.split(USERS)]
    return many, joined(parts, turn.split(USERS))


def _told(
    agent: PlacementAgent, visits: Impressions, candidates: Tensor, decision: Decision
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64], str]:
    """[n, L] propensities, their standard errors, and how they were come by; None where nobody tells them."""
    none = np.zeros(decision.slates.shape)
    if decision.propensities is not None:
        return decision.propensities.double().numpy(), none, "exact"
    if not isinstance(agent, CheckedAgent):
        return None, none, "none"
    slates, back, count = decision.slates.unique(dim=0, return_inverse=True, return_counts=True)
    often = count.argsort(descending=True)[:ESTIMATED]
    few = replace(visits, **{k: v[: len(often)] for k, v in vars(visits).items() if v is not None})
    estimate = agent.estimate_propensities(few, candidates, slates[often], DRAWS)
    found = np.full((2, *slates.shape), np.nan)
    found[:, often.numpy()] = estimate.propensities.double().numpy(), estimate.error.double().numpy()
    told, error = found[:, back.numpy()]
    return told, error, estimate.method


def compare(slates: NDArray[np.int64], told: NDArray[np.float64], error: NDArray[np.float64]) -> Found:
    """Slot by slot, given the slots above: how often each creative came, against what was told of it.

    Args:
        slates: [n, L], all of one visit and one state of an agent.
        told: [n, L] propensities given the slots above; NaN where they are not known.
        error: [n, L] their standard errors.
    """
    cells, square, freedom, worst, constant = 0, 0.0, 0, 0.0, True
    groups = np.zeros(len(slates), dtype=np.int64)
    for slot in range(slates.shape[1]):
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            arm, count = np.unique(slates[rows, slot], return_counts=True)
            p, off = np.full((2, len(arm)), np.nan)
            for i, one in enumerate(arm):
                same = rows[slates[rows, slot] == one]
                same = same[np.isfinite(told[same, slot])]
                if len(same):
                    p[i], off[i] = told[same[0], slot], error[same[0], slot]
                    constant &= bool(off[i] > 0 or np.ptp(told[same, slot]) < 1e-5)
            found = _of_group(count, p, off, len(rows))
            cells, square, freedom = cells + found[0], square + found[1], freedom + found[2]
            worst = max(worst, found[3])
        groups = np.unique(np.stack([groups, slates[:, slot]]), axis=1, return_inverse=True)[1].ravel()
    return Found(cells, square, freedom, worst, constant)


def _of_group(
    count: NDArray[np.int64], p: NDArray[np.float64], error: NDArray[np.float64], n: int
) -> tuple[int, float, int, float]:
    """Cells, sum of squares, degrees of freedom and the worst cell, of choices made under the same slots above.

    Choices that are expected to come fewer than `FEWEST` times are one cell with those that never came.
    """
    kept = n * p >= FEWEST
    count, p, error = count[kept], np.minimum(p[kept], 1.0), error[kept]
    if not len(p):
        return 0, 0.0, 0, 0.0
    scale = np.sqrt(n * p * (1 - p) + (n * error) ** 2)
    off = np.abs(count - n * p)
    worst = float(np.max(np.divide(off, scale, out=np.where(off > 1e-3 * n, np.inf, 0.0), where=scale > 1e-2 * n**0.5)))
    if error.any():
        # Cells of estimated propensities: their errors are not those of a multinomial; Bonferroni over the cells.
        share = min(1.0, len(p) * 2 * float(norm.sf(worst)))
        return len(p), float(chi2.isf(max(share, 1e-300), 1)), 1, worst
    rest, left = n - count.sum(), n * max(1 - p.sum(), 0.0)
    terms = (count - n * p) ** 2 / (n * p)
    if left >= FEWEST:
        return len(p) + 1, float(terms.sum() + (rest - left) ** 2 / left), len(p), worst
    return len(p), float(terms.sum()), len(p) - 1, worst
