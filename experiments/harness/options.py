"""Options of the commands: dataclasses, read from YAML and written back complete."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
import yaml
from pydantic import TypeAdapter, ValidationError

from ...simulation.data.errors import InputError
from .files import write_yaml

Options = TypeVar("Options", bound="CommonOptions")


@dataclass(frozen=True)
class CommonOptions:
    """What every command takes."""

    out: Path | None = None
    """Where results go; by default a new directory under runs/. A directory in use is refused."""
    seed: int = 0
    """Of everything random: the same seed gives the same figures on the same machine."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where tensors live; auto takes a CUDA device when there is one."""
    config: Path | None = None
    """YAML file with options; what is given on the command line overrides it."""
    sweep: Path | None = None
    """YAML file with what to maximise and which settings to search; the command then runs once a trial (Optuna)."""
    track: Literal["tensorboard", "wandb"] = "tensorboard"
    """TensorBoard events are always written; wandb sends them to Weights & Biases too (WANDB_MODE=offline keeps them
    here)."""
    quick: bool = False
    """A smoke-size run, under a minute: it shows that everything works, not how well."""

    def torch_device(self) -> torch.device:
        """The device that `device` names.

        Raises:
            InputError: cuda is asked for and there is none.
        """
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: no CUDA device here; use --device cpu or auto")
        cuda = self.device == "cuda" or (self.device == "auto" and torch.cuda.is_available())
        return torch.device("cuda" if cuda else "cpu")


def read_config(path: Path, defaults: Options) -> Options:
    """Options from a YAML file; what it leaves out is taken from `defaults`.

    Raises:
        InputError: no such file, not YAML, a key that does not exist or a value of the wrong kind.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a YAML file with options")
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML ({str(error).splitlines()[0]}); correct it") from None
    if not isinstance(given, dict):
        raise InputError(f"{path}: not a mapping of options; write lines such as `seed: 1`")
    return override(defaults, given, str(path))


def override(defaults: Options, given: dict, source: str) -> Options:
    """Options with some replaced, and checked.

    Args:
        defaults: what is not given.
        given: by name, nested as the options are.
        source: where they come from, for the message.

    Raises:
        InputError: a key that does not exist or a value of the wrong kind.
    """
    known = plain(defaults)
    _refuse_unknown(given, known, source)
    try:
        return TypeAdapter(type(defaults)).validate_python(_merge(known, given))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{source}: {where}: {first['msg']}; correct it") from None


def write_config(path: Path, options: CommonOptions) -> None:
    """Writes all options, defaults too: the file is good for `--config`."""
    write_yaml(path, plain(options))


def different(one: CommonOptions, other: CommonOptions) -> list[str]:
    """Names of options that differ, where they decide a run's figures."""
    first, second = decisive(one), decisive(other)
    return [name for name in first if first[name] != second.get(name)]


def decisive(options: CommonOptions) -> dict:
    """All options that decide a run's figures, as YAML holds them."""
    elsewhere = ("out", "config", "resume", "track", "sweep")
    return {name: value for name, value in plain(options).items() if name not in elsewhere}


def plain(options: CommonOptions) -> dict:
    """All options as YAML and JSON can hold them."""
    return TypeAdapter(type(options)).dump_python(options, mode="json")


def flat(options: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """{'ppo': {'updates': 3}} -> {'ppo.updates': 3}."""
    found: dict[str, Any] = {}
    for key, value in options.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def _merge(base: dict, over: dict) -> dict:
    both = {
        k: _merge(base[k], v) if isinstance(base.get(k), dict) and isinstance(v, dict) else v for k, v in over.items()
    }
    return base | both


def _refuse_unknown(given: dict, known: dict, source: str, above: str = "") -> None:
    for key, value in given.items():
        if key not in known:
            raise InputError(
                f"{source}: unknown option '{above}{key}'{nearest(str(key), known)}; known are {', '.join(known)}"
            )
        if isinstance(value, dict) and isinstance(known[key], dict):
            _refuse_unknown(value, known[key], source, f"{above}{key}.")


def nearest(name: str, known: Iterable[str]) -> str:
    """', perhaps lints or linucb' for a misspelt name; empty where nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f", perhaps {' or '.join(near)}" if near else ""


def replaced(options: Options, **changes: object) -> Options:
    """`dataclasses.replace` that also reaches into nested options: `replaced(o, tune__updates=3)`."""
    nested: dict[str, dict[str, object]] = {}
    flat: dict[str, object] = {}
    for key, value in changes.items():
        head, _, rest = key.partition("__")
        if rest:
            nested.setdefault(head, {})[rest] = value
        else:
            flat[head] = value
    inner = {head: replaced(getattr(options, head), **rest) for head, rest in nested.items()}
    return dataclasses.replace(options, **flat, **inner)


SMOKE: dict[str, object] = {
    "quick": True,
    "users": 200,
    "log_impressions": 100_000,
    "validation_impressions": 50_000,
    "samples": 1,
    "effect__steps": 40,
    "warm_start__lines": 1600,
    "ppo__updates": 2,
    "choose": 4,
    "raft__texts": 4,
    "raft__kept": 1,
    "raft__passes": 1,
    "watch_every": 2,
    "place_impressions": 10_000,
}
"""What `--quick` sets, in the commands that have it."""


ARCHIVE: dict[str, object] = {
    "choose": 1,
    "algorithm": "ppo",
    "writer__vocabulary": 4096,
    "writer__max_new_tokens": 32,
    "warm_start__lines": 40_000,
    "ppo__updates": 60,
    "ppo__kl_start": 0.05,
}
"""What `--archive` sets, in the commands that have it: headlines repeat each other less than a shop's ads do."""


def for_archive(options: Options) -> Options:
    """Options for a study of real A/B tests."""
    return _known(options, ARCHIVE)


def quick(options: Options) -> Options:
    """Options of a smoke-size run."""
    return _known(options, SMOKE)


def _known(options: Options, changes: dict[str, object]) -> Options:
    return replaced(options, **{k: v for k, v in changes.items() if hasattr(options, k.partition("__")[0])})
