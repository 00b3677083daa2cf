"""What each part of `copybandit benchmark` may be told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

import tyro

from ....simulation.data.errors import InputError
from ...harness.options import Device, Flat, Idle, RunOptions, refuse_below

Part = Literal[
    "bandit",
    "cost",
    "world",
    "recovery",
    "coverage",
    "writer",
    "serve",
    "logs",
    "load",
    "gpu",
    "trust",
    "private",
    "federated",
    "commands",
]
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
    writer: tuning, against TRL as it comes; serve: what a text costs and is worth in each form of `export`; logs:
    offline on a log that outgrows memory, which is made first (in TMPDIR, 12 bytes a row) and thrown away; load: memory
    over a day of traffic, and time and memory of catalogs of up to a million rows and shops of as many users; gpu: does
    a CUDA device compute what the CPU does, and how fast (with --device cpu all of it small, which shows that it runs);
    trust: what of the ads do writer and effect model know by heart; private: what privacy for users costs, by epsilon;
    federated: silos that keep their rows, against all rows in one place; commands: what each command takes at --quick,
    in a process of its own."""
    threads: int = 2
    """CPU threads for us and for the peers."""
    repeats: int = 3
    """Each figure is the best of so many runs, taken in turns; in trust, the mean of so many."""
    impressions: int = 20_000_000
    """How many the world serves while its memory is watched."""
    rows: int = 50_000_000
    """How many the log holds that outgrows memory: impressions times three slots."""
    writers: str = ""
    """Writers of serve, separated by commas: runs, checkpoints, or base (the default); gold is relative to the first's.
    """
    worlds: int = 20
    """How many are to be found again from their logs."""
    only: str = ""
    """Measurements of one part, separated by commas: of trust canaries; of load day, catalog, shops; of coverage logs
    (one policy's intervals, null experiments, rankings), propensities, offline, compare; of commands their names. By
    default all."""
    hours: float = 24.0
    """Simulated hours of traffic of load."""
    per_second: int = 2000
    """Impressions a second of simulated time, of load."""
    minutes: float = 8.0
    """After which nothing more is begun; what was measured stands."""

    def __post_init__(self) -> None:
        refuse_below(self, threads=1, repeats=1, impressions=1, rows=3000, worlds=1, minutes=0.1, per_second=1)
        refuse_below(self, hours=0.5)

    def chosen(self, known: Sequence[str]) -> list[str]:
        """What `only` names, all by default.

        Raises:
            InputError: one that is not known.
        """
        asked = [name.strip() for name in self.only.split(",") if name.strip()] or list(known)
        if strange := [name for name in asked if name not in known]:
            raise InputError(f"--only {strange[0]}: no such measurement; give some of {', '.join(known)}")
        return asked

    def idle(self) -> Idle:
        """Each part has settings of its own."""
        parts = {
            "device": ("cost", "writer", "gpu"),
            "repeats": ("bandit", "world", "trust"),
            "impressions": ("world",),
            "rows": ("logs",),
            "writers": ("serve",),
            "worlds": ("recovery",),
            "minutes": ("gpu",),
            "only": ("trust", "load", "coverage", "commands"),
            "hours": ("load",),
            "per-second": ("load",),
        }
        parts["seed"] = tuple(part for part in PARTS if part != "cost")
        return {name: f"in `benchmark {self.part}`" for name, used in parts.items() if self.part not in used}
