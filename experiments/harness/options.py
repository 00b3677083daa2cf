"""What a command's options are made of: parts, each a dataclass owned by what it sets; and the parts of every run.

A command lists the parts that it uses. On the command line the settings of a `Flat` part have short names (`--seed`),
those of any other part are under its name (`--ppo.updates`); in YAML all are nested as the dataclasses are.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import tyro

from ...simulation.data.errors import InputError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
FLAT, COMMON = "flat", "common"
Flat: TypeAlias = Annotated[T, tyro.conf.arg(name=""), FLAT]
"""A part whose settings need no prefix."""
Common: TypeAlias = Annotated[T, COMMON]
"""A setting that `--help` shows; `--help-all` shows the others too."""
Device: TypeAlias = Annotated[Literal["auto", "cpu", "cuda"], COMMON]
Idle: TypeAlias = Mapping[str, str]
"""By name on the command line, of a setting or of a part: why it does nothing as the others are set."""


@dataclass(frozen=True)
class RunOptions:
    """The run: where it goes, and what is random in it."""

    out: Common[Path | None] = None
    """Where results go; by default a new directory under runs/. A directory with something in it is refused."""
    seed: Common[int] = 0
    """Of everything random: the same seed gives the same figures on the same machine."""
    config: Common[Path | None] = None
    """YAML file with options; what is given on the command line overrides it."""
    quick: Common[bool] = False
    """A smoke-size run, about a minute: it shows that everything works, not how well (recipes/quick.yaml)."""
    sweep: Path | None = None
    """YAML file with what to maximise and which settings to search; the command then runs once a trial (Optuna)."""
    track: Literal["tensorboard", "wandb"] = "tensorboard"
    """TensorBoard events are always written; wandb sends them to Weights & Biases too (WANDB_MODE=offline keeps them
    here)."""


@dataclass(frozen=True)
class ResumeOptions:
    """Going on after a crash."""

    resume: Common[Path | None] = None
    """Directory of a broken-off run: it goes on from its last saved state, with the options it began with."""

    def idle(self) -> Idle:
        """A resumed run has its own directory and options."""
        return {} if self.resume is None else dict.fromkeys(("out", "config"), "with --resume, which has its own")


class RunParts(Protocol):
    """Options of a command that leaves a run directory."""

    @property
    def run(self) -> RunOptions:
        """Where it goes, and what is random in it."""
        ...


def torch_device(device: str) -> "torch.device":
    """The device that an option names: auto takes a CUDA device when there is one.

    Raises:
        InputError: cuda is asked for and there is none.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device here; use --device cpu or auto")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def refuse_below(part: object, **least: float) -> None:
    """Refuses settings that are below their least value.

    Raises:
        InputError: naming the first that is.
    """
    for name, low in least.items():
        if getattr(part, name) < low:
            raise InputError(f"--{name.replace('_', '-')} {getattr(part, name)}: give {low} or more")


@dataclass(frozen=True)
class Setting:
    """One setting of a command."""

    path: tuple[str, ...]
    """Fields from the command's options down to it."""
    name: str
    """On the command line, without the dashes before it."""
    kind: Any
    """Its type."""
    told: str
    """What it does."""
    common: bool
    positional: bool
    part: type
    """The dataclass that it is a field of."""

    @property
    def short(self) -> str:
        """Its name in YAML where the parts without a prefix are left out."""
        return self.name.replace("-", "_")


@cache
def settings_of(options: type) -> tuple[Setting, ...]:
    """All settings of a command, in the order in which its parts stand."""
    return tuple(_settings(options, (), ""))


def _settings(part: type, above: tuple[str, ...], prefix: str) -> Iterator[Setting]:
    hints, told = get_type_hints(part, include_extras=True), _told(part)
    for field in fields(part):
        kind, marks = _unwrapped(hints[field.name])
        path, name = (*above, field.name), prefix + field.name.replace("_", "-")
        if isinstance(kind, type) and is_dataclass(kind):
            yield from _settings(kind, path, prefix if FLAT in marks else f"{name}.")
        else:
            positional = any(mark is get_args(tyro.conf.Positional[int])[1] for mark in marks)
            yield Setting(path, name, kind, told.get(field.name, ""), COMMON in marks, positional, part)


def _unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(hint) is not Annotated:
        return hint, ()
    kind, *marks = get_args(hint)
    return kind, tuple(marks)


def _told(part: type) -> dict[str, str]:
    """The docstrings of a dataclass's fields, each on one line; those that it inherits too."""
    if not is_dataclass(part):
        return {}
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
    assert isinstance(found, ast.ClassDef)
    told = _told(part.__bases__[0])
    for field, text in pairwise(found.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            told[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return told


def idle_settings(options: Any) -> dict[str, str]:
    """Settings that do nothing as the others are set, by name on the command line, and why.

    Each part says so of its own settings in a method `idle`; the command, of what its parts mean for each other.
    """
    told = [getattr(options, field.name) for field in fields(options)]
    rules = {name: why for part in [*told, options] if hasattr(part, "idle") for name, why in part.idle().items()}
    names = [setting.name for setting in settings_of(type(options))]
    return {n: why for n in names for rule, why in rules.items() if n == rule or n.startswith(f"{rule}.")}
