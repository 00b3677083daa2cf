"""Hours of simulated traffic before a linear bandit whose conversions come late: does memory stay as it is?"""

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import linregress
from torch import Tensor

from .....agents.registry import agent_for
from .....agents.traffic.delay import LAST, Delayed
from .....agents.traffic.options import TrafficOptions, in_traffic
from .....envs.placement import first_ads
from .....simulation.scenario import load_scenario
from .....simulation.world import Feedback, World, make_world
from ....harness.run import Run
from ....serving.serve import Observer, serve
from ..options import BenchmarkOptions
from ..process import own_peak

SCENARIO, AGENT = "shop", "linucb"
USERS, CREATIVES, BATCH = 20_000, 20, 8192
WAIT = 0.25
"""Hours that conversions are waited for; the last correction comes after `LAST` times as many."""
LOOK = 1 / 12
"""Hours between two looks at memory."""
QUICK_HOURS, QUICK_PACE = 3.0, 20


class Counted(Observer):
    """Clicks and visits so far."""

    def __init__(self) -> None:
        """Starts at zero."""
        self.visits, self.clicks = 0, 0

    def answered(self, feedback: Feedback) -> None:
        """See `Observer.answered`."""
        self.visits += len(feedback.slates)
        self.clicks += int(feedback.clicked.sum())


@dataclass(frozen=True)
class Looks:
    """What was seen at the end of each stretch."""

    hours: list[float]
    megabytes: list[float]
    """Resident."""
    waiting: list[int]
    """Visits whose conversions are waited for."""
    clicks: list[float]
    """Clicks a visit, of the stretch."""
    seconds: list[float]
    """CPU seconds so far."""

    def figures(self, hours: float) -> dict[str, Any]:
        """Memory from when as much leaves as comes: its slope by least squares, first and last hour, and the most."""
        settled = np.array(self.hours) > min(2 * LAST * WAIT, hours / 2)
        told, mb = np.array(self.hours)[settled], np.array(self.megabytes)[settled]
        fit: Any = linregress(told, mb)
        first, last = mb[told <= told[0] + 1], mb[told > told[-1] - 1]
        return {
            "settled_hours": float(told[0]),
            "slope_mb_per_hour": float(fit.slope),
            "slope_error": float(fit.stderr),
            "first_hour_mb": float(first.mean()),
            "last_hour_mb": float(last.mean()),
            "growth": float(last.mean() / first.mean() - 1),
            "most_waiting": max(self.waiting),
        }


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """Memory hour by hour, and the speed at which it was simulated."""
    hours = min(options.hours, QUICK_HOURS) if options.run.quick else options.hours
    pace = min(options.per_second, QUICK_PACE) if options.run.quick else options.per_second
    world, candidates = _world(options.run.seed)
    visits = round(3600 * pace * hours)
    agent = in_traffic(agent_for(world, AGENT), world, TrafficOptions(delay="credited", wait_hours=WAIT), visits)
    assert isinstance(agent, Delayed)
    looks, counted = Looks([], [], [], [], []), Counted()
    each = max(1, round(3600 * pace * LOOK))
    batch = min(BATCH, each)
    step = batch * round(each / batch)
    start, wall = time.process_time(), time.perf_counter()
    with run.stage("traffic", total=visits) as stage, world.traffic.at_pace(3600.0 * pace):
        for first in range(0, visits, step):
            before = counted.clicks, counted.visits
            serve(world, agent, candidates, min(step, visits - first), [counted], batch=batch)
            looks.hours.append(world.traffic.hours)
            looks.megabytes.append(resident())
            looks.waiting.append(len(agent.fresh) + len(agent.old))
            looks.clicks.append((counted.clicks - before[0]) / (counted.visits - before[1]))
            looks.seconds.append(time.process_time() - start)
            run.record(counted.visits, {"load/resident_mb": looks.megabytes[-1], "load/waiting": looks.waiting[-1]})
            stage.advance(min(step, visits - first), f"hour {looks.hours[-1]:.2f}: {looks.megabytes[-1]:.0f} MB")
    seconds = time.process_time() - start
    found = {
        "hours": hours,
        "per_second": pace,
        "impressions": counted.visits,
        "agent": AGENT,
        "delay": f"credited, {WAIT:g} h",
        "users": USERS,
        "creatives": CREATIVES,
        "slots": world.slots,
        "batch": batch,
        "cpu_seconds": seconds,
        "wall_seconds": time.perf_counter() - wall,
        "impressions_per_cpu_second": counted.visits / seconds,
        "peak_mb": own_peak() / 2**20,
        **looks.figures(hours),
        "looks": vars(looks),
    }
    run.say(
        f"{counted.visits:,} impressions, {hours:g} h at {pace:,} a second, in {seconds:,.0f} CPU seconds: "
        f"{found['first_hour_mb']:,.1f} MB in the first settled hour, {found['last_hour_mb']:,.1f} in the last; "
        f"slope {found['slope_mb_per_hour']:+.3f} MB an hour (standard error {found['slope_error']:.3f})"
    )
    return found


def resident() -> float:
    """Resident memory of this process now, in MB; its peak where the system does not tell."""
    told = Path("/proc/self/statm")
    if told.is_file():
        return int(told.read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 2**20
    return own_peak() / 2**20


def _world(seed: int) -> tuple[World, Tensor]:
    scenario, catalog = load_scenario(SCENARIO)
    world = make_world(scenario, catalog, seed=seed, users=USERS)
    candidates = world.publish(first_ads(catalog)[:CREATIVES])
    return world, torch.arange(len(candidates), device=world.device)
