"""Draws `map.svg` and `map.md` from the code: `python docs/draw_map.py`. A test compares both with what this draws.

Boxes are sub-packages and the modules beside them, in the layers of the contracts in `pyproject.toml`. A line says that
the upper box imports the lower one; lines inside a package that follow from others are left out, and so are those
between packages, of which `map.md` has the whole list.
"""

import re
import tomllib
from collections import defaultdict
from html import escape
from importlib import import_module
from pathlib import Path

import grimp

HERE = Path(__file__).resolve().parent
PACKAGES = ("experiments", "agents", "policies", "envs", "simulation")
"""Top first; agents and policies stand side by side and do not know each other."""
WIDTH, HIGH, ROW, LETTER = 900, 25, 43, 6.7
APART = 195
"""Between the middles of boxes of a layer, at most."""
MANY = 60
"""Letters of names that fit in a box."""
Layers = list[list[str]]
"""From the top down, units by path: `simulation/data/`, `agents/state.py`."""
Imports = dict[str, set[str]]


def layers() -> dict[str, Layers]:
    """Of every package, those of its contract; of `experiments`, with the topics of `analysis` in their place."""
    settings = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, Layers] = {"envs": [["envs/"]]}
    for contract in settings["tool"]["importlinter"]["contracts"]:
        for container in contract.get("containers", ()):
            folder = container.removeprefix("copybandit.").replace(".", "/")
            rows = [[_unit(folder, name) for name in re.split(r"[|\s]+", layer)] for layer in contract["layers"]]
            found[folder] = rows
    whole = found["experiments"]
    place = whole.index(["experiments/analysis/"])
    whole[place : place + 1] = found.pop("experiments/analysis")
    return {package: found[package] for package in PACKAGES}


def _unit(folder: str, name: str) -> str:
    return f"{folder}/{name}/" if (HERE.parent / folder / name).is_dir() else f"{folder}/{name}.py"


def imports(units: list[str]) -> Imports:
    """What each unit imports, by unit."""
    graph = grimp.build_graph(*(f"copybandit.{package}" for package in PACKAGES))
    found: Imports = {unit: set() for unit in units}
    for module in graph.modules:
        unit = _unit_of(module, units)
        others = (_unit_of(other, units) for other in graph.find_modules_directly_imported_by(module))
        if unit is not None:
            found[unit] |= {other for other in others if other not in (None, unit)}
    return found


def _unit_of(module: str, units: list[str]) -> str | None:
    path = module.removeprefix("copybandit.").replace(".", "/")
    return next((unit for unit in units if f"{path}/".startswith(unit.removesuffix(".py").rstrip("/") + "/")), None)


def direct(edges: Imports, inside: set[str]) -> list[tuple[str, str]]:
    """Edges inside a package without those that follow from others."""

    def below(unit: str) -> set[str]:
        return {unit}.union(*(below(other) for other in edges[unit] & inside))

    return [
        (unit, other)
        for unit in sorted(inside)
        for other in sorted(edges[unit] & inside)
        if not any(other in below(way) for way in (edges[unit] & inside) - {other})
    ]


def boxes(rows: Layers) -> list[list[tuple[str, tuple[str, ...]]]]:
    """Labels and units of the boxes of each layer: what are many modules in one layer is one box."""
    found = []
    for row in rows:
        modules = tuple(unit for unit in row if unit.endswith(".py"))
        names = ", ".join(Path(unit).name for unit in modules)
        label = names if len(names) < MANY else f"{len(modules)} files, one a command"
        folders = [(f"{Path(unit).name}/", (unit,)) for unit in row if not unit.endswith(".py")]
        found.append(([(label, modules)] if modules else []) + folders)
    return found


Box = tuple[tuple[float, float, float], str, tuple[str, ...]]
"""Left, top and width; label; units."""


def _placed(rows: list[list[tuple[str, tuple[str, ...]]]], left: float, wide: float, top: float) -> dict[str, Box]:
    found: dict[str, Box] = {}
    for level, row in enumerate(rows):
        step = min(wide / len(row), APART)
        for i, (label, units) in enumerate(row):
            width = max(70.0, LETTER * len(label) + 16)
            middle = left + wide / 2 + step * (i - (len(row) - 1) / 2)
            box = (middle - width / 2, top + level * ROW, width), label, units
            found |= dict.fromkeys(units, box)
    return found


STYLE = (
    "text{font:12px sans-serif;text-anchor:middle;fill:#222}rect{fill:#eef3f8;stroke:#567}.band{fill:none;stroke:#aab}"
    ".name{font-weight:bold;text-anchor:start}line{stroke:#345;stroke-opacity:.55}@media(prefers-color-scheme:dark){"
    "text{fill:#eee}rect{fill:#2a3440;stroke:#89a}.band{stroke:#456}line{stroke:#9bd}}"
)


def drawing() -> str:
    """The SVG."""
    every = layers()
    edges, shapes, y = imports([unit for rows in every.values() for row in rows for unit in row]), [], 14.0
    for band in (("experiments",), ("agents", "policies"), ("envs",), ("simulation",)):
        height = max(len(every[package]) for package in band) * ROW + 26
        for i, package in enumerate(band):
            left, wide = 10 + i * WIDTH / len(band), WIDTH / len(band) - 10
            frame = f'x="{left:.0f}" y="{y:.0f}" width="{wide:.0f}" height="{height}"'
            shapes.append(f'<rect class="band" {frame} rx="8"/>')
            shapes.append(f'<text class="name" x="{left + 10:.0f}" y="{y + 18:.0f}">{package}/</text>')
            where = _placed(boxes(every[package]), left, wide, y + 26)
            shapes += _lines(where, direct(edges, set(where)))
            shapes += [_box(*box) for box in dict.fromkeys(where.values())]
        y += height + 14
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 10} {y:.0f}" role="img">'
    title = "<title>Parts of Copybandit and what they import; imports run down only</title>"
    return "\n".join([head, title, f"<style>{STYLE}</style>", *shapes, "</svg>", ""])


def _lines(where: dict[str, Box], edges: list[tuple[str, str]]) -> list[str]:
    found = []
    for upper, lower in edges:
        (x, top, width), (to_x, to_top, to_width) = where[upper][0], where[lower][0]
        ends = f'x1="{x + width / 2:.0f}" y1="{top + HIGH:.0f}" x2="{to_x + to_width / 2:.0f}" y2="{to_top:.0f}"'
        found.append(f"<line {ends}/>")
    return list(dict.fromkeys(found))


def _box(place: tuple[float, float, float], label: str, units: tuple[str, ...]) -> str:
    x, top, width = place
    return (
        f"<g><title>{escape(chr(10).join(units))}</title>"
        f'<rect x="{x:.0f}" y="{top:.0f}" width="{width:.0f}" height="{HIGH}" rx="5"/>'
        f'<text x="{x + width / 2:.0f}" y="{top + 17:.0f}">{escape(label)}</text></g>'
    )


def listing() -> str:
    """map.md: every unit, the sentence at its door, and what it imports."""
    every = layers()
    edges = imports([unit for rows in every.values() for row in rows for unit in row])
    told = [
        "# Where what is",
        "",
        "Drawn from the code by `docs/draw_map.py`; top first, as in [the map](design.md).",
        "",
    ]
    for package, rows in every.items():
        told += [f"## {package}", "", "| where | what | imports |", "|---|---|---|"]
        for unit in (unit for row in rows for unit in row):
            module = import_module("copybandit." + unit.removesuffix(".py").strip("/").replace("/", "."))
            door = (module.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
            by_package: dict[str, list[str]] = defaultdict(list)
            for other in sorted(edges[unit]):
                by_package[other.partition("/")[0]].append(other.partition("/")[2].rstrip("/") or "envs")
            used = "; ".join(f"{name}: {', '.join(others)}" for name, others in sorted(by_package.items())) or "–"
            told.append(f"| `{unit}` | {door} | {used} |")
        told.append("")
    return "\n".join(told)


if __name__ == "__main__":
    (HERE / "map.svg").write_text(drawing(), encoding="utf-8")
    (HERE / "map.md").write_text(listing(), encoding="utf-8")
