"""How fast, against whom? Ratios to the peers that are installed (the `bench` extra brings them)."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from .analysis.benchmarks.options import BenchmarkOptions
from .analysis.report.page import write_report
from .harness.run import Run


def run_benchmark(options: BenchmarkOptions) -> Path:
    """`copybandit benchmark`: prints ratios and leaves them in summary.json as `ratios.{what}.{peer}`.

    Raises:
        SystemExit: 1, with all that was measured on disk; a device computes something else than the CPU, or nothing.
    """
    run = Run("benchmark", options)
    torch.set_num_threads(options.threads)
    measure: Callable[[BenchmarkOptions, Run], dict[str, Any]]
    measure = import_module(f".analysis.benchmarks.{options.part}", __package__).measure
    found = measure(options, run)
    run.finish({"command": "benchmark", "part": options.part, **found})
    write_report(run.path)
    if found.get("failed"):
        raise SystemExit(1)
    return run.path
