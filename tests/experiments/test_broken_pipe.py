"""Output that nobody reads to its end."""

import subprocess
import sys
from pathlib import Path

import pytest

CONSOLE = Path(sys.executable).with_name("copybandit")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["--help", "offline --help-all"])
def test_output_that_is_cut_leaves_no_traceback(command):
    run = subprocess.Popen([CONSOLE, *command.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None and run.stderr is not None
    run.stdout.close()
    assert run.stderr.read() == ""
    assert run.wait(60) in (0, 1)
