"""`python -m tests.hostile`: many inputs to every reader, reader by reader, in as many sittings as it takes; a table as
JSON. What one sitting left out the next one tries: done readers stand in a file beside the table.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def main() -> None:
    """Tries what is left, as long as there is time, and ends with exit code 1 if anything crashed."""
    parse = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parse.add_argument("--times", type=float, default=1.0, help="COPYBANDIT_FUZZ, which multiplies the numbers")
    parse.add_argument("--minutes", type=float, default=1e9, help="after which no other reader is begun")
    parse.add_argument("--json", type=Path, required=True, help="where the table goes")
    given = parse.parse_args()
    counts, until = given.json.with_suffix(f".{given.times:g}.jsonl"), time.monotonic() + 60 * given.minutes
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for test in tests():
        done = {row["test"] for row in _rows(counts)}
        if test not in done and time.monotonic() < until:
            row = tried(test, given.times, counts.with_suffix(".part"))
            with counts.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    rows = _rows(counts)
    table = summed(rows, given.times)
    given.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"{len(rows)} of {len(tests())} tests: {table['tried']:,} inputs, {table['crashed']} crashes")
    sys.exit(table["crashed"] > 0)


def tests() -> list[str]:
    """The tests that try many inputs, by their names to pytest."""
    found = []
    for path in sorted(HERE.glob("test_*.py")):
        parts = re.split(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        bodies = zip(parts[1::2], parts[2::2], strict=True)
        found += [f"{path.relative_to(HERE.parent.parent)}::{name}" for name, body in bodies if " tried(" in body]
    return found


def tried(test: str, times: float, counts: Path) -> dict[str, Any]:
    """One test in a process of its own: what it tried of each reader, and the first of what crashed."""
    counts.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-x", test]
    env = os.environ | {"COPYBANDIT_FUZZ": str(times), "COPYBANDIT_FUZZ_COUNTS": str(counts.absolute())}
    start = time.monotonic()
    ended = subprocess.run(command, cwd=HERE.parent.parent, env=env, capture_output=True, text=True, check=False)
    readers = _rows(counts)
    counts.unlink(missing_ok=True)
    crash = re.findall(r"^E +AssertionError: (.*)", ended.stdout, flags=re.MULTILINE) if ended.returncode else []
    row = {"test": test, "code": ended.returncode, "seconds": round(time.monotonic() - start, 1), "readers": readers}
    return row | ({"crash": crash[:1] or [ended.stdout[-500:]]} if ended.returncode else {})


def summed(rows: list[dict[str, Any]], times: float) -> dict[str, Any]:
    """The table."""
    readers = [reader for row in rows for reader in row["readers"]]
    return {
        "command": f"python -m tests.hostile --times {times:g}",
        "times": times,
        "tried": sum(reader["tried"] for reader in readers),
        "refused": sum(reader["refused"] for reader in readers),
        "crashed": sum(row["code"] != 0 for row in rows),
        "crashes": [crash for row in rows for crash in row.get("crash", [])],
        "peak_mb": max((reader["peak_mb"] for reader in readers), default=0),
        "left": [test for test in tests() if test not in {row["test"] for row in rows}],
        "readers": {r["reader"]: {"tried": r["tried"], "refused": r["refused"]} for r in readers},
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


if __name__ == "__main__":
    main()
