"""What a process of `processes.py` does: `folder`, `arguments`, `out` and `err` are given to it as globals."""

import os
import sys

from copybandit.experiments.cli import main

given = globals()
os.chdir(given["folder"])
for stream, name in ((sys.stdout, "out"), (sys.stderr, "err")):
    os.dup2(os.open(given[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream.fileno())
os.environ.update(NO_COLOR="1", COLUMNS="200")
sys.argv = ["copybandit", *given["arguments"]]
main()
