"""Commands in processes of their own: those that begin with all modules loaded, and those of the console script."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

CONSOLE = Path(sys.executable).with_name("copybandit")
MODULES = ["loop", "compare", "headlines", "offline", "calibrate", "score", "pretrain", "pareto", "case_study", "check"]
MODULES += ["abtest", "reader", "report", "serve", "export", "sweep", "compare_writers"]
# What a shell starts in the background ignores SIGINT, and would hand that on to each command.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
PATIENCE = 120.0
"""Seconds in which a command has to end."""


@dataclass
class Ended:
    """A command that came to an end."""

    code: int
    """As a shell has it: 128 and the signal's number, where one killed it."""
    out: str
    err: str
    seconds: float
    survivors: list[int] = field(default_factory=list)
    """Processes that it began and that live on."""


class Command:
    """One that runs in a folder of its own, with its own temporary directory `tmp/` in it."""

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        *,
        fresh: bool = False,
        faults: Sequence[str] = (),
        beside: Path | None = None,
        **env: str,
    ) -> None:
        """Starts it.

        Args:
            folder: where it runs.
            arguments: of `copybandit`.
            fresh: by the console script, which loads all modules; else in a fork of a process that has them.
            faults: of `child.py`; not with `fresh`.
            beside: where what it prints goes, and its temporary files; by default into its folder.
            env: of the environment.
        """
        notes = beside or folder
        (notes / "tmp").mkdir(parents=True, exist_ok=True)
        self._out, self._err, ready = (notes / name for name in (".stdout", ".stderr", ".ready"))
        env = {"TMPDIR": str(notes / "tmp"), **env}
        self._console: subprocess.Popen[bytes] | None = None
        if fresh:
            whole = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **env}
            with self._out.open("wb") as out, self._err.open("wb") as err:
                self._console = subprocess.Popen(
                    [CONSOLE, *arguments], cwd=folder, env=whole, stdout=out, stderr=err, start_new_session=True
                )
            self.pid = self._console.pid
        else:
            given = {"folder": str(folder), "arguments": list(arguments), "out": str(self._out), "err": str(self._err)}
            given |= {"environment": env, "faults": list(faults), "ready": str(ready)}
            ready.unlink(missing_ok=True)
            self._process: Any = _loaded().Process(target=_run, args=(given,))
            self._process.start()
            self.pid = self._process.pid
            while not ready.exists() and self._process.is_alive():
                time.sleep(0.001)
        self._start = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._console.poll() is None if self._console is not None else self._process.is_alive()

    def said(self) -> str:
        """What it has printed so far."""
        return self._out.read_text(encoding="utf-8", errors="replace")

    def send(self, number: int) -> None:
        """Sends a signal: Ctrl-C reaches all processes of a terminal, the others are sent to the command alone."""
        with suppress(ProcessLookupError):
            (os.killpg if number == signal.SIGINT else os.kill)(self.pid, number)

    @property
    def workers(self) -> list[int]:
        """Processes that it gave work to."""
        return [pid for pid in _members(self.pid) if pid != self.pid and b"spawn_main" in _words(pid)]

    def ended(self, seconds: float = PATIENCE) -> Ended:
        """Waits until it ends.

        Raises:
            TimeoutError: it did not, and was killed.
        """
        until = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > until:
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
                raise TimeoutError(f"not done after {seconds:.0f} s")
            time.sleep(0.002)
        took = time.monotonic() - self._start
        if self._console is not None:
            code = self._console.wait()
        else:
            self._process.join()
            code = self._process.exitcode
        err = self._err.read_text(encoding="utf-8", errors="replace")
        return Ended(code if code >= 0 else 128 - code, self.said(), err, took, _living_on(self.pid))


def run(folder: Path, arguments: Sequence[str], **given: Any) -> Ended:
    """Runs a command to its end."""
    return Command(folder, arguments, **given).ended()


def _loaded() -> Any:
    root = str(Path(__file__).resolve().parents[2])
    sys.path += [] if root in sys.path else [root]  # forks find this module by it, wherever pytest was started
    context = get_context("forkserver")
    context.set_forkserver_preload([f"copybandit.experiments.{name}" for name in ("cli", *MODULES)])
    return context


def _run(given: dict[str, Any]) -> None:
    from .child import run as child

    child(given)


def _living_on(group: int, grace: float = 3.0) -> list[int]:
    """Processes of a group that are not gone soon; they are killed."""
    until = time.monotonic() + grace
    while (found := _members(group)) and time.monotonic() < until:
        time.sleep(0.02)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def _words(pid: int) -> bytes:
    """The command line of a process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _members(group: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, of = path.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                found.append(int(path.parent.name))
    return found
