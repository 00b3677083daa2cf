"""Programs in processes of their own, whose seconds and memory are then theirs alone."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")
PROGRAM = "from copybandit.experiments.cli import main; main()"
"""What `copybandit` is, by this interpreter."""


@dataclass(frozen=True)
class Used:
    """What a program took."""

    code: int
    """Its exit code; negative for a signal that ended it."""
    seconds: float
    """Of the wall, to its end or to the word that was waited for."""
    cpu_seconds: float
    """Of the processor, with those of what it started and waited for."""
    peak_bytes: int
    """Resident memory at its height, of the largest of these processes."""
    said: str
    """What it printed."""
    complained: str
    """What it printed on standard error."""

    @property
    def peak_mb(self) -> float:
        """The peak in MiB."""
        return self.peak_bytes / 2**20

    def whole(self, what: str) -> "Used":
        """The same.

        Raises:
            RuntimeError: it did not end well.
        """
        if self.code:
            last = self.complained.strip().splitlines()[-1:] or ["no word"]
            raise RuntimeError(f"{what}: ended with code {self.code} ({last[0]})")
        return self


def run_alone(command: Sequence[str], threads: int = 1, until: str = "", folder: Path | None = None) -> Used:
    """Runs a program and waits for it; whoever is stopped in the meantime stops it too.

    Args:
        command: the program and its arguments.
        threads: of OpenMP and of Arrow, which follow the same variable.
        until: a word with which it is interrupted as soon as it prints it; for what serves until it is stopped.
        folder: where it runs; here by default.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    given = [sys.executable, "-I", "-S", str(LAUNCHER), until, *command]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        given, stdout=pipe, stderr=pipe, text=True, env=environment, cwd=folder, start_new_session=True
    ) as launcher:
        try:
            told, complained = launcher.communicate()
        except BaseException:
            # The launcher leads a group of its own: with it goes what it started.
            with suppress(ProcessLookupError):
                os.killpg(launcher.pid, signal.SIGKILL)
            raise
    if launcher.returncode:
        raise RuntimeError(f"{command[0]}: {(complained.strip().splitlines() or ['could not be started'])[-1]}")
    return Used(**json.loads(told), complained=complained)


def python(program: str, *arguments: str) -> list[str]:
    """The command that runs some Python by this interpreter."""
    return [sys.executable, "-c", program, *arguments]


def copybandit(*arguments: str) -> list[str]:
    """The command that is `copybandit`, by this interpreter."""
    return python(PROGRAM, *arguments)


def own_peak() -> int:
    """Bytes of resident memory of this process at its height; without what it was before it became this program."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
