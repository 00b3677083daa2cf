"""Which placement policy is best here? Agents serve the same visitors, in one world or several, from several seeds.

With --writers, ways of tuning are compared instead; see `compare_writers.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..agents.agent import CONVERSION_VALUE
from ..agents.registry import RETRIEVED
from ..agents.state import save_agent
from ..agents.traffic.options import TrafficOptions
from ..simulation.archive.tests import Archive, read_archive
from ..simulation.data.columns import ColumnNames, parse_columns
from ..simulation.data.errors import InputError
from ..simulation.world_file import scenario_of
from .analysis.comparison.cells import (
    CellSetting,
    Task,
    cells_of,
    check_agent,
    exposed,
    one_thread,
    parse_agent,
    run_task,
    served_agent,
    without_minimum,
    world_name,
)
from .analysis.comparison.results import Results
from .analysis.comparison.standings import UNIFORM, Standings
from .analysis.headlines.replay import BATCHES
from .analysis.report.page import write_report
from .harness import stopping
from .harness.engines import WorkerOptions, run_all
from .harness.files import write_table
from .harness.options import Device, Flat, Idle, RunOptions, refuse_below, torch_device
from .harness.run import Run
from .placing.fairness import of_agents, prices
from .placing.real_tests import MOST_TESTS, on_tests, ranked, real_tests
from .study.worlds import WorldOptions

SMOKE_TESTS = 10
"""Of an archive, that `--quick` replays."""


@dataclass(frozen=True)
class CompareOptions:
    """Options of `copybandit compare`; as a YAML file (`--config`) they are an experiment.

    With `--writers` the command is another one: `compare_writers` has its options.
    """

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    device: Device = "auto"
    """Where tensors live; auto takes a CUDA device when there is one."""
    agents: str = "epsilon-greedy,ucb1,beta-thompson,linucb,lints,hybrid-lints,logistic-ts,neural-linear,squarecb"
    """Names, separated by commas, with settings where they differ from the defaults (lints:scale=0.1), a minimum
    exposure of its own among them (linucb:min_exposure=0.01); uniform placement always runs, to measure against."""
    seeds: int = 5
    """Independent repetitions, each with its own users, visitors and random numbers; counted from --seed."""
    world: Flat[WorldOptions] = field(default_factory=WorldOptions)
    """Several scenarios are separated by commas."""
    creatives: int = 50
    """Candidates: the first reference ad of so many products."""
    impressions: int = 102_400
    """Visits of each run."""
    batch: int = 1024
    """Visits decided at once; feedback comes after them."""
    retrieved: int = RETRIEVED
    """Where visitors bring queries: creatives, those that answer best, that agents choose among."""
    conversion_value: float = CONVERSION_VALUE
    """Worth of a conversion in clicks; with 0 clicks alone count."""
    discount: float = 1.0
    """What an agent learned counts so much less an impression later."""
    window: int | None = None
    """Impressions an agent remembers; all by default."""
    traffic: Flat[TrafficOptions] = field(default_factory=TrafficOptions)
    tests: Path | None = None
    """A/B tests, as `headlines` reads them: the same agents are replayed on them, to see whether the world ranks agents
    as tests do."""
    columns: ColumnNames = ""
    """Columns of --tests that have other names there: text=Headline,clicks=Clicks."""
    test_traffic: int = 8000
    """Impressions that each of --tests gets."""
    results: Path | None = None
    """Parquet file that results are added to; cells that are in it are not run again. By default results.parquet in the
    run's directory."""
    workers: Flat[WorkerOptions] = field(default_factory=WorkerOptions)

    def __post_init__(self) -> None:
        refuse_below(self, seeds=2, creatives=3, retrieved=1, impressions=100, batch=1, conversion_value=0)
        refuse_below(self, test_traffic=BATCHES)

    def idle(self) -> Idle:
        """What is retrieved where nobody brings queries, delays of what does not count, and how tests are read."""
        unasked = {} if self.world.brings_queries else {"retrieved": "where no visitor brings queries"}
        if self.tests is None:
            unasked |= dict.fromkeys(("columns", "test-traffic"), "without --tests")
        if not any(traffic.min_exposure for traffic in self.minimums()):
            unasked |= dict.fromkeys(("min-exposure-of", "min-exposure-within"), "without --min-exposure")
        return unasked | ({} if self.conversion_value else {"delay": "with --conversion-value 0"})

    def names(self) -> list[str]:
        """The agents asked for, uniform placement first.

        Raises:
            InputError: a name or setting that is not known.
        """
        asked = _split(self.agents)
        if not asked:
            raise InputError("--agents: none is named; give names separated by commas")
        for name in asked:
            check_agent(name)
        return list(dict.fromkeys([UNIFORM, *asked]))

    def worlds(self) -> list[str]:
        """The scenarios asked for.

        Raises:
            InputError: none, two files of one name, or one that cannot be used.
        """
        asked = self.world.scenarios
        if not asked or len({world_name(scenario) for scenario in asked}) < len(asked):
            raise InputError(f"--scenario {self.world.scenario}: give one or more scenarios of different names")
        for scenario in asked:
            facts, catalog = scenario_of(scenario)
            creatives = self.setting().candidates(scenario)
            self.traffic.check(facts, catalog)
            attention = [channel.examination for channel in facts.channels.values()]
            for traffic in self.minimums():
                traffic.check_exposure(creatives, catalog, attention)
        return asked

    def minimums(self) -> list[TrafficOptions]:
        """What agents have to live with, one after the other: each may have a minimum exposure of its own."""
        return [exposed(parse_agent(name)[1], self.traffic) for name in self.names()]

    def setting(self) -> CellSetting:
        """What all cells share."""
        return CellSetting(
            users=self.world.users,
            creatives=self.creatives,
            retrieved=self.retrieved,
            impressions=self.impressions,
            batch=self.batch,
            conversion_value=self.conversion_value,
            discount=self.discount,
            window=self.window,
            device=str(torch_device(self.device)),
            traffic=self.traffic,
        )


def run_compare(options: CompareOptions) -> Path:
    """`copybandit compare`: leaves results, curves, differences and a report.

    Raises:
        InputError: an agent, world or option is no good; the results file is another experiment's, or in use.
    """
    agents, worlds, setting = options.names(), options.worlds(), options.setting()
    _refuse_minimums_of_tests(options, agents)
    settings = {world_name(scenario): setting.fingerprint(scenario) for scenario in worlds}
    archive = None if options.tests is None else read_archive(options.tests, parse_columns(options.columns))
    run = Run("compare", options)
    with Results(options.results or run.path / "results.parquet") as results:
        results.refuse_others(settings)
        stopping.going_on(f"cells that are done are kept: run again with --results {results.path} and another --out")
        tasks = missing(results, options, agents)
        cells = sum(len(task.agents) for task in tasks)
        with run.stage("agents", total=cells) as stage:
            stage.advance(0, f"{len(agents) * len(worlds) * options.seeds - cells} cells were there")
            for rows in _served(tasks, options):
                results.add(rows)
                stage.advance(len(rows), f"{rows[-1]['agent']}, seed {rows[-1]['seed']}")
        results.flush()
        frame = results.frame()
    standings = Standings(chosen(frame, options, agents), agents, np.random.default_rng(options.run.seed))
    _save(run, standings)
    _leave_best(run, standings, options)
    more: dict[str, Any] = {"traffic": options.traffic.given} if options.traffic.given else {}
    more["fairness"] = of_agents(run, standings.rows, agents, options.traffic, options.run.seed)
    if priced := prices(standings, options.traffic.min_exposure_of):
        more["minimum_exposure"] = priced
    if archive is not None:
        more["real_tests"] = _replayed(archive, standings, options, run)
    run.finish({"command": "compare", **standings.summary(), **more})
    run.say(standings.text())
    if archive is not None:
        real = more["real_tests"]
        run.say(
            f"Kendall's tau between the world and {real['tests']} real tests: {real['tau']:+.2f} (p = {real['p']:.2f})"
        )
    write_report(run.path)
    return run.path


def _refuse_minimums_of_tests(options: CompareOptions, agents: list[str]) -> None:
    own = [agent for agent in agents if without_minimum(agent)[1] is not None]
    if options.tests is not None and own:
        raise InputError(f"--agents {own[0]}: the texts of a test have no minimum exposure; leave out --tests")


def missing(results: Results, options: CompareOptions, agents: list[str]) -> list[Task]:
    """The cells that are not in the results, as tasks: one a world and seed, more if that would leave workers idle."""
    setting, tasks = options.setting(), []
    groups = len(options.worlds()) * options.seeds
    pieces = 1 if options.workers.jobs == 1 else -(-2 * options.workers.jobs // groups)
    for scenario in options.worlds():
        for seed in range(options.run.seed, options.run.seed + options.seeds):
            left = [agent for agent in agents if (world_name(scenario), seed, agent) not in results]
            parts = (tuple(left[i::pieces]) for i in range(pieces))
            tasks += [Task(setting, scenario, seed, part) for part in parts if part]
    return tasks


def chosen(frame: pd.DataFrame, options: CompareOptions, agents: list[str]) -> pd.DataFrame:
    """The rows asked for, worlds in the order given: a results file may hold more."""
    last = options.run.seed + options.seeds - 1
    worlds = [world_name(scenario) for scenario in options.worlds()]
    frame = frame[
        frame["agent"].isin(agents) & frame["world"].isin(worlds) & frame["seed"].between(options.run.seed, last)
    ]
    return frame.sort_values("world", key=lambda names: names.map(worlds.index), kind="stable")


def _served(tasks: list[Task], options: CompareOptions) -> Iterator[list[dict]]:
    if options.workers.engine == "local" and options.workers.jobs == 1:
        return ([row] for task in tasks for row in cells_of(task))
    if not tasks:
        return iter(())
    return run_all(run_task, tasks, options.workers.engine, options.workers.jobs, options.workers.ray_address)


def _save(run: Run, standings: Standings) -> None:
    """curves.csv (by agent, world and seed) and differences.csv; mean regret also goes into the metrics."""
    curves = standings.curves()
    write_table(run.path / "curves.csv", curves)
    write_table(run.path / "differences.csv", standings.differences())
    several = curves["world"].nunique() > 1
    for (agent, world, step), part in curves.groupby(["agent", "world", "impressions"], sort=False):
        name = f"regret/{world}/{agent}" if several else f"regret/{agent}"
        run.record(int(step), {name: float(part["regret"].mean())})


def _leave_best(run: Run, standings: Standings, options: CompareOptions) -> None:
    """placement/: the agent that earned most, as it is after the first seed in the first world."""
    best, scenario = standings.best, options.worlds()[0]
    with run.stage("best agent, to take away", total=1) as stage:
        save_agent(served_agent(options.setting(), scenario, options.run.seed, best), run.path / "placement")
        stage.advance(1, f"{best} in {world_name(scenario)}, seed {options.run.seed}")


def _replayed(archive: Archive, standings: Standings, options: CompareOptions, run: Run) -> dict[str, Any]:
    """The same agents on tests of an archive, and their ranking there against that in the worlds."""
    rng = np.random.default_rng(options.run.seed)
    tests, prior = real_tests(archive, SMOKE_TESTS if options.run.quick else MOST_TESTS, rng)
    world = dict(zip(standings.agents, standings.values("capture").mean(1).tolist(), strict=True))
    with run.stage("real tests", total=len(standings.agents)) as stage, one_thread():
        earned = on_tests(
            tests, standings.agents, prior, options.test_traffic, options.run.seed, progress=stage.advance
        )
    return ranked(tests, earned, world, options.test_traffic, rng)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
