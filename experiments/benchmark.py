"""How fast, against whom? Ratios to the peers that are installed (the `bench` extra brings them)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import torch
import tyro

from .analysis.report.page import write_report
from .harness.options import Device, Flat, Idle, RunOptions, refuse_below
from .harness.run import Run

Part = Literal["bandit", "cost", "world", "recovery", "coverage", "writer"]
PARTS = get_args(Part)
"""Each part is a module in `analysis/benchmarks/`: its `measure(options, run)` returns what goes into the summary."""


@dataclass(frozen=True)
class BenchmarkOptions:
    """Options of `copybandit benchmark`."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    device: Device = "auto"
    """Where tensors live; auto takes a CUDA device when there is one."""
    part: Annotated[Part, tyro.conf.Positional] = "bandit"
    """bandit: against other libraries; cost: time and memory against size; world: visitors a second, and memory;
    recovery: are known worlds found again from their logs, and are policies ranked in the fitted world as in the true;
    coverage: do intervals hold the truth as often as they claim, are null experiments called, are policies ranked;
    writer: tuning, against TRL as it comes."""
    threads: int = 2
    """CPU threads for us and for the peers."""
    repeats: int = 3
    """Each figure is the best of so many runs, taken in turns."""
    impressions: int = 20_000_000
    """How many the world serves while its memory is watched."""
    worlds: int = 20
    """How many are to be found again from their logs."""

    def __post_init__(self) -> None:
        refuse_below(self, threads=1, repeats=1, impressions=1, worlds=1)

    def idle(self) -> Idle:
        """Each part has settings of its own."""
        parts = {
            "device": ("cost",),
            "repeats": ("bandit", "world"),
            "impressions": ("world",),
            "worlds": ("recovery",),
        }
        parts["seed"] = ("bandit", "world", "recovery", "coverage", "writer")
        return {name: f"in `benchmark {self.part}`" for name, used in parts.items() if self.part not in used}


def run_benchmark(options: BenchmarkOptions) -> Path:
    """`copybandit benchmark`: prints ratios and leaves them in summary.json as `ratios.{what}.{peer}`."""
    run = Run("benchmark", options)
    torch.set_num_threads(options.threads)
    measure: Callable[[BenchmarkOptions, Run], dict[str, Any]]
    measure = import_module(f".analysis.benchmarks.{options.part}", __package__).measure
    run.finish({"command": "benchmark", "part": options.part, **measure(options, run)})
    write_report(run.path)
    return run.path
