"""A fitted world in one file: safetensors, with everything that is text in its metadata as JSON. Nothing is pickled."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .archive.gold import ArchiveReader
from .archive.parts import archive_parts, archive_reader
from .data.catalog import Catalog
from .data.files import read_checked
from .data.tensor_file import load_tensors, save_tensors
from .response.utilities import Scales
from .scenario import Scenario, load_scenario
from .text.reading import TextReader
from .visitors.audience import Audience
from .world import World, make_world

FORMAT_VERSION = 4
"""2: worlds whose texts are read as an archive's readers did. 3: with a digest. 4: readers
know garbled copy and false facts."""
_REMEDY = "make it anew with `copybandit calibrate`"


def save_world(
    path: Path,
    scenario: Scenario,
    catalog: Catalog,
    audience: Audience,
    scales: Scales,
    reader: ArchiveReader | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Writes what `load_world` reads.

    Args:
        path: where to.
        scenario: the world's.
        catalog: products and reference ads.
        audience: its users.
        scales: what was fitted.
        reader: of an archive; None for the scenario's own words.
        notes: what a reader of the world's figures must know.
    """
    people = {f"audience.{k}": v for k, v in vars(audience).items() if isinstance(v, Tensor)}
    fitted = {f"scales.{k}": v for k, v in vars(scales).items() if isinstance(v, Tensor)}
    numbers = {k: v for k, v in vars(scales).items() if isinstance(v, float)}
    facts = {
        "scenario": scenario.model_dump(mode="json"),
        **catalog.facts(),
        "segments": list(audience.segments),
        "scales": numbers,
        "notes": list(notes),
    }
    read = {}
    if reader is not None:
        facts["archive"], read = archive_parts(reader, catalog)
    save_tensors(path, people | fitted | read, facts, kind="world", format_version=FORMAT_VERSION)


def world_notes(name: str | Path) -> tuple[str, ...]:
    """What a reader of a fitted world's figures must know; nothing of other scenarios.

    Raises:
        InputError: see `load_world`.
    """
    return tuple(_read(Path(name))[1].get("notes", ())) if is_world_file(name) else ()


def load_world(path: Path, *, seed: int = 0, device: torch.device | str = "cpu") -> World:
    """The world of a file.

    Raises:
        InputError: no such file, no world file, one of another format, or one that is torn or altered.
    """
    tensors, facts = _read(path)
    return read_checked(path, lambda _: _world(tensors, facts, seed, device), _REMEDY)


def _world(tensors: dict[str, Tensor], facts: dict[str, Any], seed: int, device: torch.device | str) -> World:
    people = {f.name: tensors[f"audience.{f.name}"] for f in fields(Audience) if f.name != "segments"}
    audience = Audience(segments=tuple(facts["segments"]), **people)
    parts = {name.removeprefix("scales."): value for name, value in tensors.items() if name.startswith("scales.")}
    scales = replace(Scales(**facts["scales"]), **{name: value.to(device) for name, value in parts.items()})
    scenario, catalog = _setting(facts)
    _refuse_misfits(audience, scenario, catalog)
    return make_world(
        scenario,
        catalog,
        seed=seed,
        device=device,
        reader=archive_reader(facts["archive"], tensors, scenario, catalog)
        if "archive" in facts
        else TextReader(scenario, catalog, None),
        audience=audience,
        scales=scales,
    )


def _setting(facts: dict[str, Any]) -> tuple[Scenario, Catalog]:
    return Scenario.model_validate(facts["scenario"]), Catalog.of_facts(facts)


def _refuse_misfits(audience: Audience, scenario: Scenario, catalog: Catalog) -> None:
    """Raises ValueError where users are not of the scenario's and the catalog's sizes, or are no numbers."""
    users, categories = len(audience), len(catalog.categories)
    shapes = {
        "browsing": (users, categories),
        "purchases": (users, categories),
        "tastes": (users, len(scenario.appeals)),
        "interest": (users, categories),
        "price_sensitivity": (users,),
        "activity": (users,),
    }
    for name, shape in shapes.items():
        part: Tensor = getattr(audience, name)
        if part.shape != shape or part.dtype != torch.float32 or not part.isfinite().all():
            raise ValueError(f"'{name}' of its users is of another shape or kind")
    segment = audience.segment
    if segment.dtype != torch.int64 or not ((segment >= 0) & (segment < len(audience.segments))).all():
        raise ValueError("its users are of segments that it does not have")


def is_world_file(name: str | Path) -> bool:
    """Whether a scenario's name is the path of a world file."""
    return str(name).endswith(".safetensors")


def scenario_of(name: str | Path) -> tuple[Scenario, Catalog]:
    """Scenario and catalog, built in, of a YAML file or of a world file.

    Raises:
        InputError: see `load_scenario` and `load_world`.
    """
    if not is_world_file(name):
        return load_scenario(name)
    _, facts = _read(path := Path(name))
    return read_checked(path, lambda _: _setting(facts), _REMEDY)


def open_world(name: str | Path, *, seed: int = 0, users: int = 1000, device: torch.device | str = "cpu") -> World:
    """The world of a scenario, or of a world file, which has users of its own.

    Raises:
        InputError: see `load_scenario` and `load_world`.
    """
    if is_world_file(name):
        return load_world(Path(name), seed=seed, device=device)
    scenario, catalog = load_scenario(name)
    return make_world(scenario, catalog, seed=seed, users=users, device=device)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    return load_tensors(path, kind="world", format_version=FORMAT_VERSION, remedy=_REMEDY)
