"""Effect models on disk: a folder with tensors and facts, written whole. Nothing is pickled."""

from pathlib import Path
from typing import Any

from ...simulation.data.errors import InputError
from ...simulation.data.files import check_folder, read_checked, write_folder
from ...simulation.data.tensor_file import as_one, in_parts, load_tensors, save_tensors
from .contract import TextEffect

FORMAT_VERSION = 1
EFFECT = "effect"
"""Name of the folder in a run's directory."""
FILE = "effect.safetensors"
REMEDY = "run the command that left it again"


def save_effect(effect: TextEffect, folder: Path) -> None:
    """Writes all that an effect model learned, in a folder of its own."""
    tensors, facts = in_parts({"kind": type(effect).__name__, "learned": effect.state()})

    def write(into: Path) -> None:
        save_tensors(into / FILE, tensors, facts, kind="effect model", format_version=FORMAT_VERSION)

    write_folder(folder, write)


def is_effect(folder: Path) -> bool:
    """Whether an effect model lies there."""
    return (folder / FILE).is_file()


def read_effect(folder: Path) -> tuple[str, dict[str, Any]]:
    """The name of its class, and the state that its `restored` takes.

    Raises:
        InputError: there is none, or one that is torn or of another format.
    """
    if not is_effect(folder):
        raise InputError(f"{folder}: no effect model; give the {EFFECT}/ of a run")
    check_folder(folder, REMEDY)
    tensors, facts = load_tensors(
        folder / FILE, kind="effect model", format_version=FORMAT_VERSION, remedy=REMEDY, finite=True
    )
    return read_checked(folder / FILE, lambda _: _parts(as_one(tensors, facts)), REMEDY)


def _parts(state: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    kind, learned = state["kind"], state["learned"]
    if not isinstance(learned, dict):
        raise ValueError("what it learned has no names")
    return kind, learned
