"""Recipes: what `--quick` and `--archive` set, from files that one can read; what the user gives overrides them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .config import flat, located, read_options

FOLDER = Path(__file__).parent.parent / "recipes"
RECIPES = ("archive", "quick")
"""By the option that asks for one; later ones override earlier ones."""


def recipe(name: str, command: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a recipe sets in a command; nothing where it does not name the command.

    Args:
        name: of the recipe.
        command: by its title.
        given: what the user gave, by option: an entry `loop --model` counts instead of `loop` where a model was given
            that is not the one of `loop`.
    """
    entries = read_options(FOLDER / f"{name}.yaml")
    usual = entries.get(command) or {}
    for option, value in (given or {}).items():
        if f"{command} --{option}" in entries and value != usual.get(option):
            return entries[f"{command} --{option}"]
    return usual


def told(name: str, options: type, settings: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """'--quick sets users 200, choose 4 (recipes/quick.yaml)', what the user gave left out; empty if nothing is left.

    Args:
        name: of the recipe.
        options: the command's.
        settings: what the recipe sets.
        given: what the user gave, by full path.
    """
    source = f"recipes/{name}.yaml"
    paths = zip(flat(settings).items(), located(options, settings, source), strict=True)
    sets = [f"{key.replace('_', '-')} {value}" for (key, value), path in paths if path not in given]
    return f"--{name} sets {', '.join(sets)} ({source})" if sets else ""
