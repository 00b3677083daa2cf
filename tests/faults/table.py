"""`python -m tests.faults.table`: the table of docs/reliability.md, from the run that is committed beside the pages."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "evidence" / "results" / "faults.json"
KILLED = ("SIGKILL", "SIGTERM", "SIGINT")
COUNTS = ("tried", "survived", "resumed_exactly", "started_anew", "refused", "too_late", "bytes_lost", "tracebacks")


def table(path: Path = RESULTS) -> str:
    """A line a command that was killed, then a line a mishap."""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    sums: dict[str, dict[str, int]] = {}
    for row in sorted(rows, key=lambda row: row["fault"] not in KILLED):
        name = f"`{row['command']}` killed" if row["fault"] in KILLED else f"{row['fault']} ({_commands(rows, row)})"
        counts = sums.setdefault(name, dict.fromkeys(COUNTS, 0))
        for count in COUNTS:
            counts[count] += row[count]
    head = f"| what | {' | '.join(count.replace('_', ' ') for count in COUNTS)} |"
    lines = [f"| {name} | {' | '.join(map(str, counts.values()))} |" for name, counts in sums.items()]
    return "\n".join([head, "|---" * (len(COUNTS) + 1) + "|", *lines])


def _commands(rows: list[dict[str, Any]], row: dict[str, Any]) -> str:
    number = len({other["command"] for other in rows if other["fault"] == row["fault"]})
    return f"{number} command" + "s" * (number > 1)


if __name__ == "__main__":
    print(table())
