"""What a process of `processes.py` does; `given` is a dict of what it is to run and how."""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from copybandit.experiments.cli import main


def run(given: dict[str, Any]) -> None:
    """Runs `copybandit ARGUMENTS` as a process of its own, with what is to go wrong in it."""
    os.setsid()
    os.chdir(given["folder"])
    for stream, name in ((sys.stdout, "out"), (sys.stderr, "err")):
        os.dup2(os.open(given[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream.fileno())
    os.environ.update(NO_COLOR="1", COLUMNS="200", **given["environment"])
    tempfile.tempdir = given["environment"].get("TMPDIR")
    sys.argv = ["copybandit", *given["arguments"]]
    for fault in given["faults"]:
        FAULTS[fault]()
    Path(given["ready"]).touch()
    main()


def clock_set_back() -> None:
    """Every look at the clock is an hour before the last."""
    real, looks = time.time, iter(range(1, 10**9))
    time.time = lambda: real() - 3600.0 * next(looks)


def few_megabytes() -> None:
    """What is taken from now on may be 200 MB."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 200 * 2**20,) * 2)


def graphics_memory() -> None:
    """Tuning runs out of a graphics card's memory, in its first pass backward."""
    real = torch.Tensor.backward

    def fails(tensor: torch.Tensor, *given: Any, **named: Any) -> None:
        if Path("out/state").exists():  # what the warm start leaves
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        real(tensor, *given, **named)

    torch.Tensor.backward = fails


def small_files() -> None:
    """No file may grow beyond 20 kB: what stands for a full disk where none can be made."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


FAULTS = {f.__name__: f for f in (clock_set_back, few_megabytes, graphics_memory, small_files)}
