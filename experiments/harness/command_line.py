"""From arguments to options: recipes, then the file of `--config`, then the command line, each over the ones before.

Nothing that is given on the command line is ignored: what this command does not have, or what does nothing as the other
options are set, is refused in one line. What a file says that does nothing is named, and left out.
"""

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from itertools import takewhile
from pathlib import Path
from typing import Any

import tyro

from ...simulation.data.errors import InputError
from .config import located, nearest, nested, override, read_config, read_options
from .options import idle_settings, settings_of
from .recipes import RECIPES, recipe, told

RENAMED = {"tuning": "config"}
"""Options that had another name."""
FILES = ("catalog", "logs", "archive")
"""Options that take a file that most users bring."""


def parsed(
    options: type,
    arguments: Sequence[str],
    title: str,
    *,
    resumed: bool = False,
) -> Any:
    """The options of a command.

    Args:
        options: their class.
        arguments: the command line, without the command.
        title: of the command, as recipes name it and messages do: `loop`, or `compare --writers`.
        resumed: whether `--resume` names a run of this command, whose options are taken then.

    Raises:
        InputError: an option that does nothing, or a file or value that is no good.
    """
    given = given_names(arguments)
    names = {setting.short for setting in settings_of(options)}
    if not {"config", "seed"} <= names:  # a command that leaves no run directory
        return _checked(_read(options, arguments, title), given)
    if resumed:
        defaults = read_config(Path(value_given(arguments, "resume") or "") / "config.yaml", options())
        return _checked(_over(options, defaults, arguments, title), given)
    file = value_given(arguments, "config")
    config = located(options, read_options(Path(file)), file) if file is not None else {}
    defaults, notes = _with_recipes(options, title, arguments, given, config)
    defaults = override(defaults, nested(config), file or "")
    found = _checked(_over(options, defaults, arguments, title), given)
    for note in [*notes, *_left_out(found, config, file)]:
        print(f"  {note}")
    return found


def _over(options: type, defaults: Any, arguments: Sequence[str], title: str) -> Any:
    return _read(options, arguments, title, default=defaults)


def _read(options: type, arguments: Sequence[str], title: str, **defaults: Any) -> Any:
    """What tyro reads; of the box that it draws around a mistake, the mistake."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return tyro.cli(options, args=list(arguments), prog=f"copybandit {title}", **defaults)
    except SystemExit as ended:
        if not ended.code:
            raise
        lines = [line.strip(" │") for line in said.getvalue().splitlines() if line.startswith("│")]
        told = " ".join(takewhile(lambda line: not line.startswith("─"), lines))
        told = told.strip(" .") or said.getvalue().strip()
        told = _stray(told, options) or told
        raise InputError(f"{told}; see `copybandit {title} --help-all`") from None


def _stray(told: str, options: type) -> str:
    """What to say of a word that no option takes, most often a file; empty of any other mistake."""
    word = told.removeprefix("Unrecognized options: ")
    if word == told or word.startswith("-"):
        return ""
    names = [setting.name for setting in settings_of(options)]
    taking = [f"--{name} {word}" for name in FILES if name in names]
    return f"{word}: belongs to no option" + (f"; a file is given as {' or '.join(taking)}" if taking else "")


def given_names(arguments: Sequence[str]) -> list[str]:
    """Options that a command line names, without dashes before them."""
    return [word[2:].partition("=")[0].replace("_", "-") for word in arguments if word.startswith("--")]


def refuse_unknown(given: Sequence[str], title: str, known: Mapping[str, Sequence[str]]) -> None:
    """Refuses an option that a command does not have.

    Args:
        given: names on the command line.
        title: of the command.
        known: names of options by title: of the command, and of its other modes, which are named where they have it.

    Raises:
        InputError: naming the option, and the one that was perhaps meant.
    """
    for name in given:
        if name not in known[title] and name.removeprefix("no-") not in known[title]:
            modes = [mode for mode, names in known.items() if name in names]
            hint = (
                f"; `copybandit {modes[0]}` has it"
                if modes
                else nearest(f"--{name}", [f"--{other}" for other in known[title]])
            )
            hint = f"; it is --{RENAMED[name]} now" if name in RENAMED else hint
            raise InputError(f"--{name}: no option of `copybandit {title}`{hint}; --help-all lists them")


def value_given(arguments: Sequence[str], name: str) -> str | None:
    """What a command line gives an option; None where it does not."""
    for word, following in zip(arguments, [*arguments, ""][1:], strict=True):
        option, equals, value = word.partition("=")
        if option == f"--{name}":
            return value if equals else following
    return None


def _with_recipes(
    options: type, title: str, arguments: Sequence[str], given: Sequence[str], config: Mapping[str, Any]
) -> tuple[Any, list[str]]:
    """Defaults with the recipes that are asked for, on the command line or in the file; and what they set."""
    paths = {setting.name: ".".join(setting.path) for setting in settings_of(options)}
    by_user = {*config, *(path for name, path in paths.items() if name in given)}
    values = {name: value_given(arguments, name) or config.get(path) for name, path in paths.items() if path in by_user}
    defaults, notes = options(), []
    for name in RECIPES:
        path = paths.get(name)
        if name in given or (path is not None and config.get(path)):
            settings = recipe(name, title, values)
            defaults = override(defaults, settings, f"recipes/{name}.yaml")
            notes.append(told(name, options, settings, dict.fromkeys(by_user)))
    return defaults, [note for note in notes if note]


def _checked(options: Any, given: Sequence[str]) -> Any:
    idle = idle_settings(options)
    for name in given:
        if name in idle:
            raise InputError(f"--{name} does nothing {idle[name]}; leave it out")
    return options


def _left_out(options: Any, config: Mapping[str, Any], file: str | None) -> list[str]:
    """Names what a file says in vain: a file may serve several runs, so this is no mistake."""
    idle = idle_settings(options)
    found = [s.name for s in settings_of(type(options)) if s.name in idle and ".".join(s.path) in config]
    return [f"{file}: {name} does nothing {idle[name]}" for name in found]
