"""Run directories: what a run leaves behind, never overwritten in silence."""

import csv
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import pandas as pd
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch.utils.tensorboard import SummaryWriter

from ...simulation.data.errors import InputError
from ...simulation.data.files import named, write_whole
from . import stopping
from .config import different, read_config, write_config
from .files import new_folder, read_json, write_json
from .options import ResumeOptions, RunParts, torch_device
from .tracking import Tracker

PACKAGES = ("copybandit", "torch", "transformers", "trl", "gymnasium", "numpy", "pandas", "scikit-learn")
"""Whose versions `environment.json` records."""


class Run:
    """A run directory being filled: configuration, environment, metrics, summary, and progress on the terminal."""

    def __init__(self, command: str, options: RunParts) -> None:
        """Chooses the directory; it is made when the first stage begins, so that bad input leaves nothing behind.

        Raises:
            InputError: it exists and is not empty; it is to be resumed, and is no broken-off run of these options; or
                what is asked to track it is not installed.
        """
        self.command, self.options = command, options
        going_on = getattr(options, "resume", None)
        resumed = going_on.resume if isinstance(going_on, ResumeOptions) else None
        self.device = torch_device(getattr(options, "device", "cpu"))
        second = int(os.environ.get("RANK", "0")) > 0
        self.resumed = resumed is not None
        self.path = resumed or Path()
        if second:
            # Of several processes (accelerate launch) the first writes the run; what the others leave is thrown away.
            self._elsewhere = tempfile.TemporaryDirectory()
            self.path, self.resumed = Path(self._elsewhere.name), False
        if resumed is not None and "RANK" in os.environ:
            raise InputError(f"--resume {resumed}: goes on with one process only; leave out accelerate launch")
        if resumed is not None:
            _refuse_resume(resumed, command, options)
        elif not second:
            self.path = _new_folder(options, command)
        self.seconds: dict[str, float] = {}
        """Wall time by stage."""
        self._tracker = Tracker(options, self.path) if options.run.track == "wandb" else None
        # TRL's own output is kept off the standard one.
        self.console = Console(file=sys.stdout, highlight=False, quiet=second)
        self._metrics = self.path / "metrics.csv"

    @cached_property
    def _events(self) -> SummaryWriter:
        """Makes the directory on first use."""
        with named(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.path)
            (self.path / "tensorboard").mkdir(exist_ok=True)
        self._outermost = stopping.going_on(how_to_go_on(self.command, self.path, self.options))
        if not self.resumed:
            write_settings(self.path, self.command, self.options, self.device)
            _append(self._metrics, [("step", "name", "value")])
        return SummaryWriter(str(self.path / "tensorboard"))

    def rewind(self, step: int) -> pd.DataFrame:
        """Takes what was recorded after a step out of metrics.csv: it will be recorded again.

        Args:
            step: last one that is kept; -1 keeps none.

        Returns:
            What is left: step, name, value.
        """
        self._events.flush()
        rows = []
        if self._metrics.is_file():
            lines = list(csv.reader(self._metrics.read_text(encoding="utf-8").splitlines()))[1:]
            # A line that was being written when the run was broken off belongs to a later step than any saved state.
            rows = [(int(line[0]), *line[1:]) for line in lines if len(line) == 3 and line[0].isdigit()]
        rows = [row for row in rows if row[0] <= step]
        write_whole(self._metrics, lambda path: _append(path, [("step", "name", "value"), *rows]))
        return pd.DataFrame(
            [(number, name, float(value)) for number, name, value in rows], columns=["step", "name", "value"]
        )

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Adds figures to metrics.csv and TensorBoard."""
        stopping.check()
        events = self._events
        _append(self._metrics, [(step, name, repr(float(value))) for name, value in values.items()])
        for name, value in values.items():
            events.add_scalar(name, value, step)
        if self._tracker is not None:
            self._tracker.log(step, values)
        for watch in _WATCHES.get():
            watch(step, values)

    @contextmanager
    def stage(self, name: str, total: float | None = None, *, checks: bool = False) -> "Iterator[Stage]":
        """Shows a stage's progress and keeps its wall time; a line is left when it ends.

        The first makes the directory, unless it only `checks` what it is given.
        """
        if not checks:
            self._events.flush()
        start = time.perf_counter()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        on_screen = self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=not on_screen) as progress:
            stage = Stage(progress, name, total)
            yield stage
        seconds = time.perf_counter() - start
        self.seconds[name] = round(self.seconds.get(name, 0.0) + seconds, 1)
        self.console.print(f"  {name:<24} {seconds:6.1f} s   {stage.note}", soft_wrap=True)

    def say(self, *lines: str) -> None:
        """Prints lines as they are: not wrapped, and nothing in them is markup."""
        for line in lines:
            self.console.print(line, soft_wrap=True, markup=False)

    def finish(self, summary: dict[str, Any]) -> None:
        """Writes summary.json, wall times and device included, and closes the event file."""
        facts = {"wall_seconds": self.seconds, "device": str(self.device)}
        write_json(self.path / "summary.json", summary | facts)
        if self._outermost:
            stopping.finished(f"all figures are there; `copybandit report {self.path}` makes their page")
        self._events.close()
        if self._tracker is not None:
            self._tracker.finish(summary)
        if self._lock is not None:
            self._lock.close()
            (self.path / ".lock").unlink(missing_ok=True)


Watch = Callable[[int, Mapping[str, float]], None]
_WATCHES: ContextVar[tuple[Watch, ...]] = ContextVar("watches", default=())


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Calls `watch` with what every run records in the meantime; what it raises ends the run."""
    token = _WATCHES.set((*_WATCHES.get(), watch))
    try:
        yield
    finally:
        _WATCHES.reset(token)


IN_A_FILE = 60.0
"""Seconds from one line of a stage to the next, where nobody can see a bar."""


class Stage:
    """The bar of one stage; in a file, lines."""

    def __init__(self, progress: Progress, name: str, total: float | None) -> None:
        """Adds a bar; `total` None shows a pulse."""
        self.note = ""
        self._progress, self._name, self._total, self._done = progress, name, total, 0.0
        self._begun = self._said = time.perf_counter()
        self._task = progress.add_task(f"  {name:<24}", total=total, note="")

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Moves the bar; a note is shown beside it, and stays on the line that is left at the end."""
        stopping.check()
        self.note, self._done = note or self.note, self._done + amount
        self._progress.update(self._task, advance=amount, note=self.note)
        over = self._total is not None and self._done >= self._total
        if not (over or self._progress.console.is_terminal) and time.perf_counter() - self._said >= IN_A_FILE:
            self._said = time.perf_counter()
            self._progress.console.print(self._line(self._said - self._begun), soft_wrap=True)

    def _line(self, seconds: float) -> str:
        """'  warm start    480 of 1,600 in 61 s, about 142 s to go   loss 2.10'."""
        if not self._total or not self._done:
            return f"  {self._name:<24} {seconds:6.1f} s so far   {self.note}"
        left = seconds * max(0.0, self._total / self._done - 1)
        progress = f"{self._done:,.0f} of {self._total:,.0f} in {seconds:.0f} s, about {left:.0f} s to go"
        return f"  {self._name:<24} {progress}   {self.note}"


def _new_folder(options: RunParts, command: str) -> Path:
    """A new run's directory.

    Raises:
        InputError: it is in use; by a broken-off run, which may be resumed.
    """
    out = options.run.out
    try:
        return new_folder(out, command)
    except InputError:
        broken_off = out is not None and (out / "config.yaml").is_file() and not (out / "summary.json").exists()
        if broken_off and can_resume(options):
            raise InputError(f"{out}: a broken-off run; go on with --resume {out}, or choose another --out") from None
        raise


def _refuse_resume(path: Path, command: str, options: RunParts) -> None:
    """Only a broken-off run of the same command and the same options goes on."""
    if not (path / "config.yaml").is_file() or not (path / "environment.json").is_file():
        raise InputError(f"{path}: not the directory of a {command} run; give one that `copybandit {command}` began")
    found = read_json(path / "environment.json").get("command")
    if found != command:
        raise InputError(f"{path}: a run of `copybandit {found}`; resume it with that command")
    if (path / "summary.json").exists():
        raise InputError(
            f"{path}: finished, there is nothing to resume; `copybandit report {path}` makes its page anew, and "
            f"--config {path}/config.yaml starts another run"
        )
    changed = different(options, read_config(path / "config.yaml", type(options)()))
    if changed:
        raise InputError(
            f"{path}: began with another {', '.join(changed)}; resume it with its own options, or start anew"
        )


def _locked(path: Path) -> IO[str] | None:
    """Holds the directory for as long as this process lives.

    Raises:
        InputError: another one holds it.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        return None
    file = (path / ".lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise InputError(f"{path}: another process is at work in it; let it finish, or stop it first") from None
    return file


def write_settings(path: Path, command: str, options: object, device: torch.device) -> None:
    """Makes a run's directory, and writes what makes it one: its options, versions, device and commit."""
    with named(path):
        path.mkdir(parents=True, exist_ok=True)
    stopping.going_on(how_to_go_on(command, path, options))
    write_json(path / "environment.json", environment(command, device))
    write_config(path / "config.yaml", options)


def how_to_go_on(command: str, path: Path, options: object) -> str:
    """What is told of a broken-off run: how it is resumed, if it can be."""
    if can_resume(options):
        return f"`copybandit {command} --resume {path}` goes on from what was saved"
    return f"{path} is not finished; run again with another --out, or move it away first"


def can_resume(options: object) -> bool:
    """Whether a broken-off run of these options can go on."""
    rounds = getattr(getattr(options, "rounds", None), "rounds", 1)
    return isinstance(getattr(options, "resume", None), ResumeOptions) and rounds == 1


def environment(command: str, device: torch.device) -> dict[str, Any]:
    """Versions, device and commit: what a reader needs to repeat the run."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "command": command,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {package: version(package) for package in PACKAGES},
        "device": str(device),
        "device_name": name,
        "threads": torch.get_num_threads(),
        "commit": _commit(),
    }


def _append(path: Path, rows: list[tuple]) -> None:
    with named(path), path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _commit() -> str | None:
    here = Path(__file__).resolve().parent
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return None
    return found.stdout.strip() or None
