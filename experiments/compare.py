"""Which placement policy is best here? Agents serve the same visitors, from several seeds.

With --writers, ways of tuning are compared instead; see `writers.py`.
"""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..agents.agent import Worth
from ..agents.bandit import Serving
from ..agents.registry import AGENTS, make_agent
from ..envs.placement import first_ads
from ..simulation.scenario import load_scenario
from ..simulation.tables import InputError
from ..simulation.world import World, make_world
from .analysis.report import write_report
from .analysis.statistics import Array, Interval, bootstrap
from .config import CommonOptions
from .runs import Run, Stage
from .writers import compare_writers, show

UNIFORM = "random"


@dataclass(frozen=True)
class CompareOptions(CommonOptions):
    """Options of `copybandit compare`."""

    agents: str = "epsilon-greedy,ucb1,beta-thompson,linucb,lints,hybrid-lints,logistic-ts,neural-linear,squarecb"
    """Names, separated by commas; uniform placement always runs, to measure against."""
    writers: str = ""
    """Instead of agents, ways to tune the writer, separated by commas: ppo, rloo, grpo, supervised, best-of-16, or one
    after the other such as ppo+best-of-4.
    """
    tuning: Path | None = None
    """With --writers: YAML file with options of `copybandit tune`."""
    seeds: int = 5
    """Independent repetitions, each with its own users, visitors and random numbers."""
    scenario: str = "shop"
    """A built-in world, or the path of one's own YAML file."""
    users: int = 1000
    """Simulated users."""
    creatives: int = 50
    """Candidates: the first reference ad of so many products."""
    impressions: int = 102_400
    """Visits of each run."""
    batch: int = 1024
    """Visits decided at once; feedback comes after them."""
    conversion_value: float = 0.0
    """Worth of a conversion in clicks."""
    discount: float = 1.0
    """What an agent learned counts so much less an impression later."""
    window: int | None = None
    """Impressions an agent remembers; all by default."""

    def __post_init__(self) -> None:
        least_of = {"users": 1, "creatives": 3, "impressions": 100, "batch": 1, "seeds": 1 if self.writers else 2}
        for name, least in least_of.items():
            if getattr(self, name) < least:
                raise InputError(f"--{name} {getattr(self, name)}: give {least} or more")

    def names(self) -> list[str]:
        """The agents asked for, uniform placement first.

        Raises:
            InputError: a name that is not known, or comes twice.
        """
        asked = [name.strip() for name in self.agents.split(",") if name.strip()]
        unknown = [name for name in asked if name not in AGENTS]
        if unknown or not asked:
            raise InputError(f"--agents {self.agents}: no agent '{', '.join(unknown)}'; known are {', '.join(AGENTS)}")
        return list(dict.fromkeys([UNIFORM, *asked]))


@dataclass(frozen=True)
class Trial:
    """One agent, one seed: in gold expectation an impression, batch by batch."""

    reward: Array
    """[batches]."""
    oracle: Array
    """[batches] of the best slates at the same moments."""
    impressions: Array
    """[batches]."""
    per_second: float
    """Impressions decided and learned from; the world's own time is not counted."""

    def mean(self, values: Array) -> float:
        """Mean an impression."""
        return float(values @ self.impressions / self.impressions.sum())


def run_compare(options: CompareOptions) -> Path:
    """`copybandit compare`: leaves reward, regret, capture and speed by agent, and the regret curves."""
    if options.writers:
        return _run_writers(options)
    names = options.names()
    if options.quick:
        options = dataclasses.replace(options, seeds=2, impressions=min(options.impressions, 10_240))
    run = Run("compare", options)
    trials: dict[str, list[Trial]] = {name: [] for name in names}
    with run.stage("agents", total=len(names) * options.seeds) as stage:
        for seed in range(options.seed, options.seed + options.seeds):
            world, candidates = _world(options, seed)
            for name in names:
                trials[name].append(_serve(world, candidates, name, options, seed, stage))
    _save_curves(run, trials)
    rng = np.random.default_rng(options.seed)
    agents = {name: _figures(trials[name], trials[UNIFORM], rng) for name in names}
    run.finish({"command": "compare", "agents": agents})
    _show(agents, run)
    write_report(run.path)
    return run.path


def _run_writers(options: CompareOptions) -> Path:
    run = Run("compare", options)
    seeds = range(options.seed, options.seed + (1 if options.quick else options.seeds))
    writers = compare_writers(options.writers, seeds, options.tuning, options.quick, run)
    run.finish({"command": "compare", "writers": writers})
    show(writers, run)
    write_report(run.path)
    return run.path


def _world(options: CompareOptions, seed: int) -> tuple[World, torch.Tensor]:
    scenario, catalog = load_scenario(options.scenario)
    world = make_world(scenario, catalog, seed=seed, users=options.users, device=options.torch_device())
    ads = first_ads(catalog)[: options.creatives]
    if len(ads) < world.slots:
        raise InputError(f"--creatives {options.creatives}: only {len(ads)} products have ads, for {world.slots} slots")
    return world, world.publish(ads)


def _serve(
    world: World, candidates: torch.Tensor, name: str, options: CompareOptions, seed: int, stage: Stage
) -> Trial:
    world.reset(seed)
    generator = torch.Generator(world.device).manual_seed(seed + 23)
    plain = options.discount == 1.0 and options.window is None
    agent = make_agent(
        name,
        arms=len(candidates),
        slots=world.slots,
        width=len(world.traffic.context_names),
        worth=Worth(world.examination, options.conversion_value),
        generator=generator,
        serving=None if plain else Serving(options.discount, options.window),
    )
    rewards, oracles, sizes, seconds = [], [], [], 0.0
    for start in range(0, options.impressions, options.batch):
        visits = world.visitors(min(options.batch, options.impressions - start))
        clock = time.perf_counter()
        decision = agent.act(visits, candidates)
        seconds += time.perf_counter() - clock
        best = world.best(visits, candidates, options.conversion_value)
        for slates, into in ((decision.slates, rewards), (best, oracles)):
            rates = world.expected(visits, slates)
            into.append(float((rates.ctr * (1 + options.conversion_value * rates.convert)).sum(1).mean()))
        answer = decision.answer(world.respond(visits, decision.slates))
        clock = time.perf_counter()
        agent.update(answer)
        seconds += time.perf_counter() - clock
        sizes.append(len(visits))
    stage.advance(1, name)
    return Trial(np.array(rewards), np.array(oracles), np.array(sizes, dtype=np.float64), sum(sizes) / seconds)


def _figures(trials: list[Trial], uniform: list[Trial], rng: np.random.Generator) -> dict[str, Interval]:
    """Means with intervals over seeds; regret is an impression, over the whole run."""
    columns = np.array(
        [[t.mean(t.reward), t.mean(t.oracle), u.mean(u.reward)] for t, u in zip(trials, uniform, strict=True)]
    )
    statistics = {
        "reward": lambda sums: sums[..., 0] / len(trials),
        "regret": lambda sums: (sums[..., 1] - sums[..., 0]) / len(trials),
        "capture": lambda sums: (sums[..., 0] - sums[..., 2]) / (sums[..., 1] - sums[..., 2]),
    }
    found = {name: bootstrap(columns, statistic, rng) for name, statistic in statistics.items()}
    speed = np.array([[t.per_second] for t in trials])
    return found | {"decisions_per_second": bootstrap(speed, lambda sums: sums[..., 0] / len(trials), rng)}


def _save_curves(run: Run, trials: dict[str, list[Trial]]) -> None:
    """regret.csv: cumulative regret by agent, seed and impressions; its mean over seeds also goes into the metrics."""
    rows: list[dict[str, Any]] = []
    for name, seeds in trials.items():
        curves = [np.cumsum((t.oracle - t.reward) * t.impressions) for t in seeds]
        steps = np.cumsum(seeds[0].impressions).astype(int)
        for seed, curve in enumerate(curves):
            rows += [
                {"agent": name, "seed": seed, "impressions": step, "regret": value}
                for step, value in zip(steps, curve, strict=True)
            ]
        for step, value in zip(steps, np.mean(curves, axis=0), strict=True):
            run.record(int(step), {f"regret/{name}": float(value)})
    pd.DataFrame(rows).to_csv(run.path / "regret.csv", index=False)


def _show(agents: dict[str, dict[str, Interval]], run: Run) -> None:
    run.console.print(f"{'agent':<18} {'capture':>8}  95% interval       reward   decisions/s", soft_wrap=True)
    for name, row in sorted(agents.items(), key=lambda item: -item[1]["reward"]["mean"]):
        capture, speed = row["capture"], row["decisions_per_second"]["mean"]
        interval = f"[{capture['low']:+.3f}, {capture['high']:+.3f}]"
        line = f"{name:<18} {capture['mean']:>8.3f}  {interval}   {row['reward']['mean']:.5f}   {speed:>11,.0f}"
        run.console.print(line, soft_wrap=True, markup=False)
