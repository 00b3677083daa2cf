"""The load part of `copybandit benchmark`: a day of traffic, catalogs and shops of up to a million rows and users."""

from collections.abc import Callable
from typing import Any

from ....harness.run import Run
from ..options import BenchmarkOptions
from . import catalogs, day, shops

MEASUREMENTS: dict[str, Callable[[BenchmarkOptions, Run], dict[str, Any]]] = {
    "day": day.measure,
    "catalog": catalogs.measure,
    "shops": shops.measure,
}
"""By name: what `--only` chooses from, and under which its figures stand in the summary."""


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`load.{name}` for each measurement that is asked for.

    Raises:
        InputError: one is asked for that there is not.
    """
    return {"load": {name: MEASUREMENTS[name](options, run) for name in options.chosen(list(MEASUREMENTS))}}
