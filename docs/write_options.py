"""Help of all commands from the classes of their options: `python docs/write_options.py` writes it anew.

It goes to `experiments/help.json`, from which `--help` answers and a misspelt option is refused at once, and to
`options.md`.
"""

import json
from pathlib import Path

from copybandit.experiments.cli import COMMANDS, HELP, _options
from copybandit.experiments.harness.help import help_text
from copybandit.experiments.harness.options import settings_of

PAGE = Path(__file__).parent / "options.md"
HEAD = "# All options\n\nWhat `copybandit COMMAND --help-all` prints, for each command."


def texts() -> dict[str, dict[str, list[str]]]:
    """By command: names of its options, and the lines of `--help` and of `--help-all`."""
    return {title: _texts(title, command.question) for title, command in COMMANDS.items()}


def _texts(title: str, question: str) -> dict[str, list[str]]:
    options, name = _options(title), f"copybandit {title}"
    names = [setting.name for setting in settings_of(options) if not setting.positional]
    return {"names": names} | {
        option: help_text(options, name, question, everything=option == "--help-all").split("\n")
        for option in ("--help", "--help-all")
    }


def page(found: dict[str, dict[str, list[str]]]) -> str:
    """The page of all options."""
    parts = [f"## {title}\n\n```text\n" + "\n".join(lines["--help-all"]) + "\n```" for title, lines in found.items()]
    return "\n\n".join([HEAD, *parts]) + "\n"


if __name__ == "__main__":
    written = texts()
    HELP.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(written), encoding="utf-8")
