"""Cold start: how soon new creatives that are good are shown, with and without what the effect model expects of them.

A bandit places the untuned texts until it knows them; then the tuned texts enter. What is watched is the share of the
showings that the best new ones have: those whose gold reward is in the upper quarter.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...agents.agent import Expectation
from ...agents.registry import agent_for
from ...simulation.data.catalog import Creative
from ...simulation.world import World
from ..analysis.statistics.bootstrap import Array
from ..analysis.statistics.paired import t_interval
from ..harness.run import Run
from ..serving.observers import Curve, Progress
from ..serving.serve import Observer, Turn, serve
from ..study.study import Study
from ..writing.tune_writer import Tuning
from .options import LoopOptions
from .placement import competing, expected

BATCH = 256
"""Visits decided at once: as often it is looked how far the new ones are."""
GOOD, THERE, LATE = 0.25, 0.8, 0.25
"""The share of new texts that are good ones; of their final share, what counts as there; the visits that are final."""


class ShareOf(Observer):
    """Share of all showings that some creatives have, batch by batch."""

    def __init__(self, arms: Tensor) -> None:
        self.arms = arms
        self.shares: list[float] = []

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        self.shares.append(float(torch.isin(turn.slates, self.arms).float().mean()))


def until_there(shares: Array) -> int:
    """Batches until a share, averaged over four of them, is `THERE` of what it is in the `LATE` last ones."""
    final = shares[-max(1, int(LATE * len(shares))) :].mean()
    smooth = np.convolve(shares, np.ones(4) / 4, mode="valid")
    return int(np.argmax(smooth >= THERE * final)) + 4


def cold_start(study: Study, tuning: Tuning, options: LoopOptions, run: Run) -> dict[str, Any]:
    """The experiment, `cold_start` times from other seeds; with `known` and `unknown` texts the same visitors come.

    Returns:
        For both: `impressions` until the good new texts have 80% of their final share, that `share`, and the gold
        `reward` an impression in the first tenth after they entered; and the paired `saved` impressions.
    """
    old = competing(study, tuning.untuned, options, as_they_come=True)
    new = [creative for creative in competing(study, tuning.tuned, options) if creative not in old]
    ways = {"unknown": None, "known": expected(study, new, options)}
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    visits, repeats = options.placing.place_impressions, options.placing.cold_start
    with run.stage("cold start", total=2 * repeats * 2 * visits) as stage:
        for repeat in range(repeats):
            for name, expectation in ways.items():
                watch = (Progress(stage.advance),)
                found[name].append(_enter(study.world, old, new, expectation, options, repeat, watch))
    table = {name: np.array(rows, dtype=np.float64) for name, rows in found.items()}
    columns = ("impressions", "share", "reward")
    told: dict[str, Any] = {
        name: {column: t_interval(rows[:, i]) for i, column in enumerate(columns)} for name, rows in table.items()
    }
    saved = table["unknown"][:, 0] - table["known"][:, 0]
    return told | {"saved": t_interval(saved), "trials": options.placing.expected_trials, "repeats": repeats}


def _enter(
    world: World,
    old: Sequence[Creative],
    new: Sequence[Creative],
    expectation: Expectation | None,
    options: LoopOptions,
    repeat: int,
    watch: Sequence[Observer],
) -> tuple[float, float, float]:
    """Impressions until there, final share, and early reward, of one run."""
    value, visits, seed = options.conversion_value, options.placing.place_impressions, options.run.seed + repeat
    world = replace(world, creatives=[])
    shown = world.publish(old)
    agent = agent_for(
        world, options.placing.agent, seed=seed, conversion_value=value, retrieved=options.placing.retrieved
    )
    world.reset(seed + 17)
    serve(world, agent, shown, visits, watch, batch=BATCH, conversion_value=value)
    rates = world.gold(new)
    worth = (rates.click * (1 + value * rates.convert)).mean(0)
    fresh = world.publish(new)
    agent.add_arms(len(new), expectation)
    share, curve = ShareOf(fresh[worth.topk(max(1, int(GOOD * len(new)))).indices]), Curve()
    serve(world, agent, torch.cat([shown, fresh]), visits, (share, curve, *watch), batch=BATCH, conversion_value=value)
    shares, early = np.array(share.shares), max(1, len(share.shares) // 10)
    late = shares[-max(1, int(LATE * len(shares))) :].mean()
    return float(until_there(shares) * BATCH), float(late), float(np.mean(curve.rewards[:early]))
