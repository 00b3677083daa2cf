"""`python -m tests.faults`: every command killed at random moments, and what else may befall it; a table as JSON."""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from .commands import CASES
from .inputs import make_inputs
from .kills import Kills, Row
from .mishaps import MISHAPS, befall

PACKAGES = ("copybandit", "torch", "transformers", "trl", "pandas", "pyarrow", "safetensors")


def main() -> None:
    """Tries all, prints what came of it, and ends with exit code 1 if anything was not survived."""
    parse = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parse.add_argument("--moments", type=int, default=int(os.environ.get("COPYBANDIT_FAULTS", "20")), help="a command")
    parse.add_argument("--long-moments", type=int, help="of commands that take longer (by default, a third)")
    parse.add_argument("--only", default="", help="commands or mishaps, separated by commas")
    parse.add_argument("--signals", default="", help="of SIGKILL, SIGTERM, SIGINT, separated by commas; by default all")
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--json", type=Path, help="where the table goes; other commands' rows that it has are kept")
    parse.add_argument("--minutes", type=float, default=1e9, help="after which no other command is begun")
    parse.add_argument("--inputs", type=Path, help="where inputs are kept for another time")
    given = parse.parse_args()
    only = {name.strip() for name in given.only.split(",") if name.strip()}
    signals = {name.strip() for name in given.signals.split(",") if name.strip()}
    longer = given.long_moments or -(-given.moments // 3)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    until = time.monotonic() + 60 * given.minutes
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="faults-") as place:
        folder = Path(place)
        inputs = make_inputs((given.inputs or folder / "inputs").absolute())
        for case in sorted(CASES, key=lambda case: (case.long, case.several)):
            if (not only or case.name in only) and time.monotonic() < until:
                found = Kills(case, inputs, folder, given.seed).run(longer if case.long else given.moments, signals)
                rows += found
                _show(found)
                _save(given.json, rows, given.seed)
        for name in MISHAPS:
            if (not only or name in only) and time.monotonic() < until:
                for row in befall(name, inputs, folder / name.replace(" ", "-"), given.seed):
                    rows.append(row)
                    _show([row])
                    _save(given.json, rows, given.seed)
    tried, survived = (sum(getattr(row, name) for row in rows) for name in ("tried", "survived"))
    print(f"{survived} of {tried} survived, {sum(row.bytes_lost for row in rows)} bytes lost")
    sys.exit(survived < tried)


def _show(rows: list[Row]) -> None:
    for row in rows:
        print(
            f"{row.command:<26} {row.fault:<20} tried {row.tried:>3}  survived {row.survived:>3}  resumed exactly "
            f"{row.resumed_exactly:>3}  anew {row.started_anew:>3}  refused {row.refused:>3}  "
            f"too late {row.too_late:>3}  bytes lost {row.bytes_lost}  tracebacks {row.tracebacks}",
            flush=True,
        )
        for problem in row.problems:
            print(f"    {problem}", flush=True)


def _save(path: Path | None, rows: list[Row], seed: int) -> None:
    if path is None:
        return
    before = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    mine = {(row.command, row.fault) for row in rows}
    kept = [row for row in before if (row["command"], row["fault"]) not in mine]
    facts = {
        "command": "python -m tests.faults",
        "seed": seed,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
    }
    table = facts | {"rows": [*kept, *(row.plain() for row in rows)]}
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
