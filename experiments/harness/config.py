"""Options as YAML: read, checked, overridden, and written back.

A setting is called by its parts (`feedback: {log_impressions: 5000}`) or as on the command line (`log_impressions:
5000`, `ppo: {updates: 3}`).
"""

import difflib
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ...simulation.data.errors import InputError
from ...simulation.data.strict_yaml import read_strict_yaml
from .files import write_yaml
from .options import idle_settings, settings_of

Options = TypeVar("Options")


def read_options(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        InputError: no such file, not YAML, or no mapping.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a YAML file with options")
    given = read_strict_yaml(path) or {}
    if not isinstance(given, dict):
        raise InputError(f"{path}: not a mapping of options; write lines such as `seed: 1`")
    return given


def read_config(path: Path, defaults: Options) -> Options:
    """Options from a YAML file; what it leaves out is taken from `defaults`.

    Raises:
        InputError: no such file, not YAML, a key that does not exist or a value of the wrong kind.
    """
    return override(defaults, read_options(path), str(path))


def configured(defaults: Options, **settings: object) -> Options:
    """Options with some replaced: `configured(options, seed=1, **{"ppo.updates": 3})`."""
    return override(defaults, settings, type(defaults).__name__)


def override(defaults: Options, given: Mapping[str, Any], source: str) -> Options:
    """Options with some replaced, and checked.

    Args:
        defaults: what is not given.
        given: nested as the options are, or by their names on the command line.
        source: where they come from, for the message.

    Raises:
        InputError: a key that does not exist or a value of the wrong kind.
    """
    try:
        merged = _merge(_complete(defaults), nested(located(type(defaults), given, source)))
        return TypeAdapter(type(defaults)).validate_python(merged)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{source}: {where}: {first['msg']}; correct it") from None


def located(options: type, given: Mapping[str, Any], source: str) -> dict[str, Any]:
    """What is given, by the settings' full paths: {'ppo': {'updates': 3}} -> {'tuner.ppo.updates': 3}.

    Raises:
        InputError: there is no such setting.
    """
    settings = settings_of(options)
    paths = {setting.short: ".".join(setting.path) for setting in settings}
    paths |= {path: path for path in paths.values()}
    parts = {path.rpartition(".")[0] for path in paths}
    found = {}
    for key, value in flat(given, leaves=paths.keys() - parts).items():
        name = key.replace("-", "_")
        if name not in paths:
            raise InputError(
                f"{source}: unknown option '{key}'{nearest(name, paths)}; `copybandit COMMAND --help-all` lists them"
            )
        found[paths[name]] = value
    return found


def write_config(path: Path, options: object) -> None:
    """Writes the options that are in force, defaults too: the file is good for `--config`.

    Where results went is left out: the next run's go elsewhere.
    """
    written = plain(options)
    if isinstance(written.get("run"), dict):
        written["run"] = {name: value for name, value in written["run"].items() if name not in ("out", "config")}
    write_yaml(path, written)


def different(one: object, other: object) -> list[str]:
    """Names of options that differ, where they decide a run's figures."""
    first, second = flat(decisive(one)), flat(decisive(other))
    short = {".".join(setting.path): setting.short for setting in settings_of(type(one))}
    return [short.get(name, name) for name in first | second if first.get(name) != second.get(name)]


def decisive(options: object) -> dict[str, Any]:
    """All options that decide a run's figures, as YAML holds them."""
    elsewhere = {"out", "config", "resume", "track", "sweep"}
    return {
        name: {key: value for key, value in part.items() if key not in elsewhere} if isinstance(part, dict) else part
        for name, part in plain(options).items()
    }


def plain(options: object) -> dict[str, Any]:
    """The options that are in force, as YAML and JSON can hold them."""
    idle = idle_settings(options)
    values = flat(_complete(options))
    kept = [".".join(setting.path) for setting in settings_of(type(options)) if setting.name not in idle]
    return nested({path: values[path] for path in kept})


def flat(options: Mapping[str, Any], above: str = "", leaves: Container[str] = ()) -> dict[str, Any]:
    """{'ppo': {'updates': 3}} -> {'ppo.updates': 3}; what is among `leaves` is one value, a mapping too."""
    found: dict[str, Any] = {}
    for key, value in options.items():
        path = f"{above}{key}"
        within = isinstance(value, Mapping) and path not in leaves
        found |= flat(value, f"{path}.", leaves) if within else {path: value}
    return found


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{'ppo.updates': 3} -> {'ppo': {'updates': 3}}."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        *above, last = key.split(".")
        into = found
        for part in above:
            into = into.setdefault(part, {})
        into[last] = value
    return found


def value_of(config: Mapping[str, Any], name: str) -> Any:
    """What a flat configuration says of a setting, by its full path or by the end of it; None where it says nothing."""
    if name in config:
        return config[name]
    return next((value for key, value in config.items() if key.endswith(f".{name}")), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """', perhaps lints or linucb' for a misspelt name; empty where nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f", perhaps {' or '.join(near)}" if near else ""


def _complete(options: object) -> dict[str, Any]:
    return TypeAdapter(type(options)).dump_python(options, mode="json")


def _merge(base: dict, over: dict) -> dict:
    both = {
        k: _merge(base[k], v) if isinstance(base.get(k), dict) and isinstance(v, dict) else v for k, v in over.items()
    }
    return base | both
