"""The command line: `copybandit COMMAND [options]`."""

import errno
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import tyro

from ..simulation.data.errors import InputError
from ..simulation.data.tables import understood
from .harness.options import CommonOptions, for_archive, quick, read_config

# Before transformers and tokenizers are imported: they read these once.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


class Command(NamedTuple):
    """A command lives in the module of its name; modules are imported when called, as some take seconds."""

    options: str
    run: str
    question: str
    module: str = ""
    """Where its module is of another name."""


COMMANDS = {
    "loop": Command("LoopOptions", "run_loop", "does writing + placement, closed, pay? (the main job)"),
    "tune": Command("TuneOptions", "run_tune", "what does tuning the writer give?"),
    "pareto": Command("ParetoOptions", "run_pareto", "what does diversity cost?"),
    "compare": Command("CompareOptions", "run_compare", "which placement policy is best here?"),
    "headlines": Command("HeadlinesOptions", "run_headlines", "how well do we predict and place real A/B-tested copy?"),
    "offline": Command("OfflineOptions", "run_offline", "what would this policy have earned on these logs?"),
    "case-study": Command("CaseStudyOptions", "run_case_study", "does the article's recipe work?", module="case_study"),
    "calibrate": Command("CalibrateOptions", "run_calibrate", "does the world behave like my logs?"),
    "benchmark": Command("BenchmarkOptions", "run_benchmark", "how fast, against whom?"),
    "report": Command("ReportOptions", "run_report", "show me, side by side"),
    "runs": Command("HistoryOptions", "run_history", "what have I run?"),
    "export": Command("ExportOptions", "run_export", "give me the checkpoint"),
}


@dataclass(frozen=True)
class _First:
    """What decides the defaults of all other options."""

    quick: bool = False
    archive: Path | None = None
    config: Path | None = None
    resume: Path | None = None


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; bad input ends it with one line on standard error and exit code 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in COMMANDS:
        _explain(given)
    name, rest = given[0], given[1:]
    _tell_what_is_read()
    try:
        module = import_module(f"..{COMMANDS[name].module or name}", __name__)
        options = _parse(getattr(module, COMMANDS[name].options), rest, name)
        run = getattr(module, COMMANDS[name].run)
        if getattr(options, "sweep", None) is not None:
            run = import_module("..harness.sweep", __name__).sweeping(name, run)
        print(run(options))
    except InputError as error:
        print(f"copybandit {name}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"copybandit {name}: {error.filename or 'disk'}: no space left; make room and run again", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print(f"copybandit {name}: stopped", file=sys.stderr)
        raise SystemExit(130) from None


class _Told(logging.Handler):
    """Prints what was understood of files that people brought, each line once."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if (line := record.getMessage()) not in self._lines:
            self._lines.add(line)
            print(f"  {line}")


def _tell_what_is_read() -> None:
    for told in [handler for handler in understood.handlers if isinstance(handler, _Told)]:
        understood.removeHandler(told)
    # Of several processes (accelerate launch) the first speaks.
    if int(os.environ.get("RANK", "0")) == 0:
        understood.addHandler(_Told())
        understood.setLevel(logging.INFO)


def _began_with(run: Path) -> str | None:
    """The command that began a run; None where the directory does not say. `Run` tells the user what is wrong then."""
    try:
        return json.loads((run / "environment.json").read_text(encoding="utf-8"))["command"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _explain(given: list[str]) -> None:
    lines = [f"  {name:<12} {command.question}" for name, command in COMMANDS.items()]
    text = "\n".join(["usage: copybandit COMMAND [options]; options of a command: copybandit COMMAND --help", *lines])
    if given and given[0] in ("-h", "--help"):
        print(text)
        raise SystemExit(0)
    problem = f"copybandit: no command '{given[0]}'\n" if given else ""
    print(f"{problem}{text}", file=sys.stderr)
    raise SystemExit(2)


def _parse(options: type, arguments: list[str], name: str) -> Any:
    """Defaults, then what --archive and --quick set, then the file of --config, then the command line.

    Each overrides the ones before. A resumed run has the options it began with.
    """
    common: dict[str, Any] = {"prog": f"copybandit {name}", "description": COMMANDS[name].question}
    if not issubclass(options, CommonOptions):
        return tyro.cli(options, args=arguments, **common)
    first, _ = tyro.cli(_First, args=arguments, return_unknown_args=True, add_help=False)
    defaults = for_archive(options()) if first.archive else options()
    defaults = quick(defaults) if first.quick else defaults
    if first.config is not None:
        defaults = read_config(first.config, defaults)
    if first.resume is not None and _began_with(first.resume) == name:
        defaults = read_config(first.resume / "config.yaml", options())
    return tyro.cli(options, args=arguments, default=defaults, **common)
