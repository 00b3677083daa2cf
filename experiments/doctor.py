"""Is all here that a run needs? Versions, threads, devices, memory, disk, and which optional parts there are."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement

EXTRAS = {
    "encoder": "sentence vectors, for real headlines",
    "gguf": "writers from GGUF files, and `export --format gguf`",
    "images": "vectors of pictures, for `--images`",
    "private": "differential privacy for users, for `--private.epsilon`",
    "onnx": "`export --format onnx` and `int8`",
    "optuna": "`--sweep`",
    "ray": "`--engine ray`",
    "service": "the decision service of the docs, over HTTP",
    "wandb": "`--track wandb`",
    "bench": "the libraries that `benchmark` measures against",
}
"""What optional parts are for; those for our own developers are left out."""
ROOM, MEMORY = 2.0, 4.0
"""GB on disk and in memory below which a run at its defaults may fail."""


@dataclass(frozen=True)
class DoctorOptions:
    """Options of `copybandit doctor`."""

    folder: Path = Path("runs")
    """Where runs are to go."""


def run_doctor(options: DoctorOptions) -> str:
    """`copybandit doctor`: what is here, and what to see to."""
    here = f"copybandit {version('copybandit')}, Python {platform.python_version()}, {platform.platform()}"
    lines, wrong = [here], []
    devices = _devices() if _version("torch") else []
    for name, told, fault in [*_needed(), *_machine(options.folder), *devices, *_optional()]:
        lines.append(f"  {name:<20} {told}")
        if fault:
            wrong.append(f"  {name}: {fault}")
    return "\n".join([*lines, "", *(["What to see to:", *wrong] if wrong else ["All is here."])])


def _needed() -> Iterator[tuple[str, str, str]]:
    """Each package that we need: name, version, what is wrong."""
    for needed in _requirements():
        if needed.marker is None:
            found = _version(needed.name)
            fits = found is not None and needed.specifier.contains(found, prereleases=True)
            wanted = f"{found or 'not installed'}, wanted {needed.specifier}"
            remedy = f"{wanted}; pip install '{needed.name}{needed.specifier}'"
            yield needed.name, found or "not installed", "" if fits else remedy


def _machine(folder: Path) -> Iterator[tuple[str, str, str]]:
    free = psutil.virtual_memory().available / 1e9
    yield "memory", f"{free:.1f} GB free", f"{free:.1f} GB free; close something" if free < MEMORY else ""
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    room = shutil.disk_usage(place).free / 1e9
    yield "disk", f"{room:.1f} GB free for {folder}", f"{room:.1f} GB free; make room" if room < ROOM else ""
    if not os.access(place, os.W_OK):
        yield "folder", f"{folder} cannot be written", f"{place} cannot be written; choose another --out"


def _devices() -> Iterator[tuple[str, str, str]]:
    import torch  # it may be what is missing

    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    few = f"{threads} of {cores} cores; set OMP_NUM_THREADS={cores}, or unset it" if threads < cores // 2 else ""
    yield "threads", f"{threads} of {cores} cores", few
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            left, size = (amount / 1e9 for amount in torch.cuda.mem_get_info(i))
            yield f"cuda:{i}", f"{torch.cuda.get_device_name(i)}, {left:.0f} of {size:.0f} GB free", ""
    elif shutil.which("nvidia-smi"):
        told = "a graphics card, which this torch cannot use; install a CUDA build of torch"
        yield "cuda", "not usable", told
    else:
        yield "cuda", "no device; all runs on the CPU", ""


def _optional() -> Iterator[tuple[str, str, str]]:
    for extra, use in EXTRAS.items():
        needed = [one for one in _requirements() if one.marker is not None and one.marker.evaluate({"extra": extra})]
        missing = [one.name for one in needed if _version(one.name) is None]
        there = "installed" if not missing else f"not installed (pip install 'copybandit[{extra}]')"
        yield f"[{extra}]", f"{there}: {use}", ""


def _requirements() -> list[Requirement]:
    return [Requirement(line) for line in requires("copybandit") or ()]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
