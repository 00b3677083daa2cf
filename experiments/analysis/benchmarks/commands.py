"""The commands part of `copybandit benchmark`: what each command takes, in a process of its own, on small inputs."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ....simulation.logs import log_frame, uniform_slates
from ....simulation.world import World, demo_world
from ...harness.files import write_json, write_table
from ...harness.run import Run
from .options import BenchmarkOptions
from .process import Used, copybandit, python, run_alone

USERS, VISITS, CREATIVES, TESTS = 200, 20_000, 25, 200
"""Of the made inputs: the log's users, visits (three slots each) and creatives; A/B tests of three texts each."""
READY = "Ctrl-C"
"""`serve` prints it when it answers; it is stopped then."""


@dataclass(frozen=True)
class Job:
    """A program that is measured."""

    name: str
    command: Sequence[str]
    needs: tuple[str, ...] = ()
    """Jobs whose runs it reads; they go before it."""
    until: str = ""
    """A word at which it is stopped, as it would not end."""


def _on(command: str, *arguments: str, needs: tuple[str, ...] = (), until: str = "") -> Job:
    """A command on files of the current folder, small where it knows how to be."""
    return Job(command, copybandit(command, *arguments), needs, until)


def _quick(command: str, *arguments: str, needs: tuple[str, ...] = ()) -> Job:
    return _on(command, *arguments, "--quick", "--out", command, needs=needs)


STARTS = [
    Job("python", python("pass")),
    Job("--help", copybandit("--help")),
    Job("import torch", python("import torch")),
    Job("import agents", python("import copybandit.agents")),
    Job("import agents.registry", python("import copybandit.agents.registry")),
]
"""What it takes to begin."""
COMMANDS = [
    _on("doctor"),
    _on("abtest", "tests.csv", "--out", "abtest"),
    _on("check", "tests.csv", "--out", "check"),
    _quick("compare"),
    _quick("offline", "--logs", "log.parquet"),
    _quick("calibrate", "--logs", "log.parquet"),
    _quick("headlines", "--archive", "tests.csv", "--encoder", "none"),
    _on("score", "tests.csv", "--predictor", "headlines", "--out", "score", needs=("headlines",)),
    _quick("case-study"),
    _quick("tune"),
    _quick("loop"),
    _quick("pareto"),
    _quick("pretrain"),
    _quick("distil", "--teacher", "loop", needs=("loop",)),
    _on("export", "loop", "--to", "exported", needs=("loop",)),
    _on("serve", "loop", needs=("loop",), until=READY),
    _on("report", "loop", needs=("loop",)),
    _on("runs", ".", needs=("loop",)),
]
"""Every command but `reader`, which needs a language model to be fetched, `completion` and this one."""
QUICK = ("python", "--help", "import torch", "import agents", "import agents.registry", "abtest")
JOBS = {job.name: job for job in (*STARTS, *COMMANDS)}
Row = dict[str, Any]


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`commands`: by name seconds, CPU seconds and peak memory; commands.json has each row as soon as it is known.

    With `--only` those that it names, and what they need.

    Raises:
        InputError: one is asked for that there is not.
    """
    asked = options.chosen(list(JOBS))
    if options.run.quick and not options.only:
        asked = list(QUICK)
    jobs = ordered(asked)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        with run.stage("inputs"):
            make_inputs(Path(temporary), options.run.seed)
        with run.stage("commands", total=len(jobs)) as stage:
            for job in jobs:
                used = run_alone(job.command, options.threads, job.until, Path(temporary))
                rows.append(_row(job, used))
                run.say(_line(rows[-1]))
                write_json(run.path / "commands.json", rows)
                stage.advance(1, job.name)
    failed = [row["name"] for row in rows if "failed" in row]
    return {"commands": rows, "threads": options.threads, **({"failed": failed} if failed else {})}


def ordered(asked: Sequence[str]) -> list[Job]:
    """Jobs of these names and those that they need, each after what it needs."""
    needed = {name for asking in asked for name in (asking, *JOBS[asking].needs)}
    return [job for name, job in JOBS.items() if name in needed]


def make_inputs(folder: Path, seed: int) -> None:
    """Writes what commands are given: log.parquet, a log of the shop under uniform placement, and tests.csv."""
    world = demo_world("shop", seed=seed, users=USERS)
    candidates, generator = world.publish(world.catalog.ads[:CREATIVES]), torch.Generator().manual_seed(seed)
    slates = uniform_slates(VISITS, candidates, world.slots, generator)
    even = (1 / (CREATIVES - torch.arange(world.slots))).expand(VISITS, world.slots)
    log_frame(world, world.respond(world.visitors(VISITS), slates), even).to_parquet(folder / "log.parquet")
    write_table(folder / "tests.csv", _tests(world, seed))


def _tests(world: World, seed: int) -> pd.DataFrame:
    """A/B tests of three ads of a product at a time, of which some are clicked more."""
    rng, ads = np.random.default_rng(seed), world.catalog.ads
    rows = []
    for test in range(TESTS):
        for number in rng.choice(len(ads), 3, replace=False):
            clicks = rng.binomial(4000, 0.02 + 0.02 * rng.random())
            rows.append((f"t{test}", ads[number].text, 4000, clicks))
    return pd.DataFrame(rows, columns=["test_id", "text", "impressions", "clicks"])


def _row(job: Job, used: Used) -> Row:
    row = {
        "name": job.name,
        "seconds": used.seconds,
        "cpu_seconds": used.cpu_seconds,
        "peak_mb": used.peak_mb,
    }
    if used.code:
        row["failed"] = (used.complained.strip().splitlines() or [f"ended with code {used.code}"])[-1]
    elif job.until not in used.said:
        row["failed"] = f"ended without a word of '{job.until}'"
    return row


def _line(row: Row) -> str:
    failed = f"   FAILED: {row['failed']}" if "failed" in row else ""
    return (
        f"{row['name']:<24} {row['seconds']:>8.2f} s {row['cpu_seconds']:>8.2f} CPU s "
        f"{row['peak_mb']:>7,.0f} MiB{failed}"
    )
