"""The trust part of `copybandit benchmark`: what leaves with what is handed on. Measurements, each by its name."""

from collections.abc import Callable
from typing import Any

from ....harness.run import Run
from ..options import BenchmarkOptions
from . import canaries

MEASUREMENTS: dict[str, Callable[[BenchmarkOptions, Run], dict[str, Any]]] = {"canaries": canaries.measure}
"""By name: what `--only` chooses from, and under which its figures stand in the summary."""


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`trust.{name}` for each measurement that is asked for.

    Raises:
        InputError: one is asked for that there is not.
    """
    return {"trust": {name: MEASUREMENTS[name](options, run) for name in options.chosen(list(MEASUREMENTS))}}
