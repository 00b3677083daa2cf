"""Commands as a user runs them, each in a process of its own and each result handed to the next.

The demo runs through the console script that is installed; the other commands, most of them short, through the function
that it calls, in processes that have loaded its modules.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .processes import loaded_once, run_loaded

CONSOLE = Path(sys.executable).with_name("copybandit")
MINUTES = 30

Console = Callable[..., subprocess.CompletedProcess[str]]


def run_console(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs `copybandit ARGUMENTS` in a folder by the installed script."""
    settings = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    command = [str(CONSOLE), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=60 * MINUTES)
    return succeeded(done)


def succeeded(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """What ended well, and without a traceback."""
    said = f"{' '.join(done.args)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert done.returncode == 0, said
    assert "Traceback" not in done.stderr, said
    return done


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all acceptance tests run their commands in."""
    return tmp_path_factory.mktemp("acceptance")


@pytest.fixture(scope="session")
def console(workplace: Path) -> Console:
    context = loaded_once()
    return lambda *arguments: succeeded(run_loaded(context, workplace, [str(a) for a in arguments], 60 * MINUTES))


def finished(run: Path) -> dict[str, Any]:
    """The summary of a run that came to its end: with a report that shows it, and settings that repeat it."""
    for name in ("config.yaml", "environment.json", "metrics.csv", "summary.json", "report.html"):
        assert (run / name).stat().st_size > 0, name
    return json.loads((run / "summary.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def demo(workplace: Path) -> Path:
    """`copybandit loop` at its defaults: what `make demo` runs."""
    run_console(workplace, "loop", "--out", "demo")
    return workplace / "demo"


@pytest.fixture(scope="session")
def archive(shared_data: Path) -> Path:
    return shared_data / "upworthy" / "packages.csv.gz"


@pytest.fixture(scope="session")
def open_bandit(shared_data: Path) -> Path:
    return shared_data / "open_bandit"
