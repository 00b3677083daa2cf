"""The command line: `copybandit COMMAND [options]`."""

import difflib
import json
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, NoReturn

from ..simulation.data.errors import InputError, understood
from .harness import mishaps, stopping

# Before torch, transformers, tokenizers and tqdm are imported: they read these once.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave their core to whom else it may serve
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")  # stages have bars of their own; in a log file theirs are noise


class Command(NamedTuple):
    """A command lives in the module of its name; modules are imported when called, as some take seconds."""

    options: str
    run: str
    question: str
    module: str = ""
    """Where its module is of another name."""
    otherwise: str = ""
    """An option that makes it another command, with options of its own: `compare --writers`."""


COMMANDS = {
    "loop": Command("LoopOptions", "run_loop", "does writing + placement, closed, pay? (the main job)"),
    "tune": Command("TuneOptions", "run_tune", "what does tuning the writer give?"),
    "pareto": Command("ParetoOptions", "run_pareto", "what does diversity cost?"),
    "compare": Command("CompareOptions", "run_compare", "which placement policy is best here?", otherwise="writers"),
    "compare --writers": Command(
        "WritersOptions", "run_writers", "which way of tuning the writer is best here?", module="compare_writers"
    ),
    "headlines": Command("HeadlinesOptions", "run_headlines", "how well do we predict and place real A/B-tested copy?"),
    "score": Command("ScoreOptions", "run_score", "which of these headlines would be clicked more, and why?"),
    "check": Command("CheckOptions", "run_check", "may this copy be published?"),
    "abtest": Command("AbtestOptions", "run_abtest", "who wins this test, by how much, and may I stop?"),
    "offline": Command("OfflineOptions", "run_offline", "what would this policy have earned on these logs?"),
    "case-study": Command("CaseStudyOptions", "run_case_study", "does the article's recipe work?", module="case_study"),
    "calibrate": Command("CalibrateOptions", "run_calibrate", "does the world behave like my logs?"),
    "benchmark": Command("BenchmarkOptions", "run_benchmark", "how fast, against whom?"),
    "distil": Command("DistilOptions", "run_distil", "can a small writer do what the tuned one does?"),
    "pretrain": Command("PretrainOptions", "run_pretrain", "what does the writer know from the start?"),
    "reader": Command("ReaderOptions", "run_reader", "what is garbled copy to the world's readers?"),
    "serve": Command("ServeOptions", "run_serve", "what would it write, and show, if I asked? (a page to play with)"),
    "doctor": Command("DoctorOptions", "run_doctor", "is all here that a run needs?"),
    "report": Command("ReportOptions", "run_report", "show me, side by side"),
    "runs": Command("RunsOptions", "list_runs", "what have I run?"),
    "export": Command("ExportOptions", "run_export", "give me the checkpoint"),
    "completion": Command("CompletionOptions", "run_completion", "give my shell the words (Tab)"),
}
HELP = Path(__file__).with_name("help.json")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; one line on standard error and an exit code say why it ended.

    2: bad input, or what the machine refuses (room, rights, memory); 130 and 143: stopped by SIGINT (Ctrl-C), SIGTERM.
    """
    try:
        try:
            with stopping.stoppable():
                _answer(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Who reads our output has seen enough (`| head`); what is still to be flushed at the end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def _answer(given: list[str]) -> None:
    if not given or given[0] not in COMMANDS or " " in given[0]:
        _explain(given)
    name, rest = given[0], given[1:]
    try:
        if {"-h", "--help", "--help-all"} & set(rest):
            print(_help(name, rest))
            raise SystemExit(0)
        _tell_what_is_read()
        _run(name, rest)
    except BaseException as error:
        if (code := stopping.exit_code()) is not None or isinstance(error, KeyboardInterrupt):
            # Whatever came of it: an import that is interrupted may say that it failed.
            stopping.end_workers()
            _end(f"copybandit {name}: stopped{stopping.how_to_go_on()}", code or 130)
        if isinstance(error, InputError):
            _end(f"copybandit {name}: {error}", 2)
        if (told := mishaps.told(error, name)) is not None:
            _end(f"copybandit {name}: {told}{stopping.how_to_go_on()}", 2)
        raise


def _end(line: str, code: int) -> NoReturn:
    print(line, file=sys.stderr)
    raise SystemExit(code) from None


def _help(name: str, arguments: Sequence[str]) -> str:
    """As it was written down by `docs/write_options.py`: nobody waits for torch to read it."""
    other = COMMANDS[name].otherwise
    mode = other and any(word.partition("=")[0] == f"--{other}" for word in arguments)
    texts = _written()[f"{name} --{other}" if mode else name]
    return "\n".join(texts["--help-all" if "--help-all" in arguments else "--help"])


def _written() -> dict[str, dict[str, list[str]]]:
    """By title: the lines of `--help` and of `--help-all`, and the names of all options."""
    return json.loads(HELP.read_text(encoding="utf-8"))


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


def _run(name: str, arguments: list[str]) -> None:
    from .harness.command_line import given_names, parsed, refuse_unknown, value_given
    from .harness.options import RunOptions

    title = _title(name, arguments)
    command = COMMANDS[title]
    known = {other: told["names"] for other, told in _written().items() if other.split()[0] == name}
    refuse_unknown(given_names(arguments), title, known)
    resume = value_given(arguments, "resume")
    resumed = resume is not None and _began_with(Path(resume)) == name
    options = parsed(_options(title), arguments, title, resumed=resumed)
    run = getattr(_module(title), command.run)
    if isinstance(getattr(options, "run", None), RunOptions) and options.run.sweep is not None:
        run = import_module("..sweep", __name__).sweeping(title, run)
    print(run(options))


def _module(title: str) -> ModuleType:
    return import_module(f"..{COMMANDS[title].module or title}", __name__)


def _options(title: str) -> type:
    return getattr(_module(title), COMMANDS[title].options)


def _title(name: str, arguments: list[str]) -> str:
    """Which command is meant: one option may make it another, on the command line or in the file of `--config`."""
    from .harness.command_line import given_names, value_given
    from .harness.config import read_options

    other = COMMANDS[name].otherwise
    file = value_given(arguments, "config")
    if other and (other in given_names(arguments) or (file is not None and read_options(Path(file)).get(other))):
        return f"{name} --{other}"
    return name


def _began_with(run: Path) -> str | None:
    """The command that began a run; None where the directory does not say. `Run` tells the user what is wrong then."""
    try:
        return json.loads((run / "environment.json").read_text(encoding="utf-8"))["command"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _explain(given: list[str]) -> None:
    lines = [f"  {name:<17} {command.question}" for name, command in COMMANDS.items()]
    text = "\n".join(["usage: copybandit COMMAND [options]; options of a command: copybandit COMMAND --help", *lines])
    if given and given[0] in ("-h", "--help", "--version"):
        print(f"copybandit {version('copybandit')}" if given[0] == "--version" else text)
        raise SystemExit(0)
    near = difflib.get_close_matches(given[0], COMMANDS, n=1, cutoff=0.5) if given else []
    hint = f", perhaps {near[0]}" if near else ""
    problem = f"copybandit: no command '{given[0]}'{hint}\n" if given else ""
    print(f"{problem}{text}", file=sys.stderr)
    raise SystemExit(2)
