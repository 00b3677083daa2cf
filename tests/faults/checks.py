"""What may be found in a directory after a fault: whole files, and temporary ones that say that they are."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pyarrow.parquet as pq
import yaml
from safetensors import safe_open

APART = ("tensorboard", "tmp")
"""Folders that are not held to this: TensorBoard's own log, and temporary files."""
TIMED = {"wall_seconds", "seconds", "seconds_a_text", "microseconds", "decisions_per_second"}
"""Figures of summary.json that are times."""
NO_FIGURES = {"environment.json", "config.yaml", "report.html", "summary.json"}
"""Files that hold times, versions or paths."""


def _csv(path: Path) -> None:
    if not path.read_bytes().endswith(b"\n"):
        raise ValueError("its last line is not ended")
    pd.read_csv(path)


def _safetensors(path: Path) -> None:
    with safe_open(path, "pt") as file:
        for name in file.keys():  # noqa: SIM118 - not a mapping
            file.get_tensor(name)


def _page(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("cut")


def _lines(path: Path) -> None:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            if ".jsonl" in path.name:
                json.loads(line)


OPENS: dict[str, Callable[[Path], Any]] = {
    ".parquet": pq.read_table,
    ".csv": _csv,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".yaml": lambda path: yaml.safe_load(path.read_text(encoding="utf-8")),
    ".safetensors": _safetensors,
    ".html": _page,
    ".svg": ElementTree.parse,
    ".gz": _lines,
}


def is_temporary(path: Path) -> bool:
    """Whether a path says that it is no result: `.NAME.tmp`, `.NAME.old`, and locks."""
    return any(part.startswith(".") and part.endswith((".tmp", ".old", "lock")) for part in path.parts)


def files(folder: Path) -> list[Path]:
    """Results that lie in a folder, relative to it."""
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if not {*APART} & {*path.parts} and not is_temporary(path)]


def torn(folder: Path) -> dict[str, str]:
    """By name: what is wrong with files that do not open."""
    found = {}
    for path in files(folder):
        try:
            OPENS.get(path.suffix, Path.read_bytes)(folder / path)
        except Exception as error:
            found[str(path)] = f"{type(error).__name__}: {error}".splitlines()[0]
    return found


def temporaries(folder: Path) -> list[str]:
    """What is left that is temporary, locks aside."""
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*")))
    return [str(path) for path in found if is_temporary(path) and not path.name.endswith("lock")]


def differences(run: Path, other: Path) -> list[str]:
    """Names of files of two runs that are not the same, times aside."""
    mine, theirs = (_contents(path) for path in (run, other))
    return [name for name in sorted(mine.keys() | theirs.keys()) if mine.get(name) != theirs.get(name)]


def _contents(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in files(run):
        if path.name in NO_FIGURES or "plots" in path.parts or path.name == "results.parquet":
            continue
        found[str(path)] = _MEANS.get(path.suffix, Path.read_bytes)(run / path)
    if (run / "summary.json").is_file():
        found["summary.json"] = _untimed(json.loads((run / "summary.json").read_text(encoding="utf-8")))
    return found


def _header_and_numbers(path: Path) -> tuple[Any, bytes]:
    """Of safetensors, whose library writes the facts of a header in any order."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def _unsealed(path: Path) -> Any:
    """JSON, without the digests of such files."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if path.name == "manifest.json":
        found["files"] = {name: seal for name, seal in found["files"].items() if not name.endswith(".safetensors")}
    return found


def _without_pseudonyms(path: Path) -> str:
    """A table; users, whose names are drawn anew in each run, by when they first come."""
    table = pd.read_parquet(path)
    if "user_id" in table:
        table["user_id"] = pd.factorize(table["user_id"])[0]
    return table.to_csv(index=False)


def _timeless(path: Path) -> str:
    """A CSV without the columns that are times."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return table.drop(columns=[name for name in table if name in TIMED]).to_csv(index=False)


_MEANS: dict[str, Callable[[Path], Any]] = {
    ".safetensors": _header_and_numbers,
    ".json": _unsealed,
    ".csv": _timeless,
    ".parquet": _without_pseudonyms,
    ".gz": lambda path: gzip.decompress(path.read_bytes()),
}


def _untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _untimed(part) for name, part in value.items() if name not in TIMED}
    return [_untimed(part) for part in value] if isinstance(value, list) else value


def traces(said: str) -> int:
    """Tracebacks in what a command printed."""
    return said.count("Traceback (most recent call last)") + said.count("Exception ignored in")


def one_line(err: str, command: str) -> bool:
    """Whether all that was said on standard error is one line of the command's."""
    lines = [line for line in err.splitlines() if line.strip()]
    return len(lines) == 1 and lines[0].startswith(f"copybandit {command}: ")
