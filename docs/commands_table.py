"""The table of commands in `scale.md`, from what was measured: `python docs/commands_table.py` writes it there."""

import json
from pathlib import Path

DOCS = Path(__file__).parent
PAGE = DOCS / "scale.md"
FIGURES = DOCS / "evidence" / "results" / "commands.json"
BEGIN, END = "<!-- commands -->\n", "<!-- commands, end -->\n"


def table() -> str:
    """Markdown, a line a command."""
    rows = json.loads(FIGURES.read_text(encoding="utf-8"))["commands"]
    lines = [
        f"| `{row['name']}` | {row['seconds']:.2f} | {row['cpu_seconds']:.2f} | {row['peak_mb']:,.0f} MiB |\n"
        for row in rows
    ]
    return "| command | seconds | CPU seconds | peak memory |\n| --- | --- | --- | --- |\n" + "".join(lines)


def with_table(page: str) -> str:
    """The page with the table of today."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
