"""One report of several runs: figures in one table, what their settings differ in, plots over each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ...harness.config import flat
from ..drawing.formats import gained, number, percent, ranged
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table
from ..statistics.bootstrap import Interval
from ..statistics.fronts import front
from ..statistics.paired import t_interval
from . import side_plots
from .page import write_page

INCIDENTAL = {"out", "config", "device", "jobs", "engine", "results", "ray_address", "track"}
"""Settings that figures do not depend on."""

WORLD = ("scenario", "catalog", "ads", "logs", "archive", "open_bandit")
"""Settings that say which world it is, of which products."""
APART = "These runs are of different worlds, products or data: what one earned says nothing beside what another did."


def write_side_by_side(directories: Sequence[Path], out: Path) -> Path:
    """Writes `report.html` and `plots/` into a new directory.

    Args:
        directories: of finished runs, two or more.
        out: made if it is not there.

    Raises:
        InputError: one of them has no readable summary.json.
    """
    runs = {name: RunFiles(path) for name, path in zip(_names(directories), directories, strict=True)}
    sections = [make(runs) for make in (_writers, _tuning, _grid, _rounds, _agents, _settings)]
    notes = [*([APART] if _differ(runs) else []), *_left_out(runs)]
    notes += [f"{name}: {note}" for name, run in runs.items() for note in run.notes]
    out.mkdir(parents=True, exist_ok=True)
    return write_page(out, f"Copybandit: {len(runs)} runs side by side", notes, [s for s in sections if s is not None])


def _differ(runs: Mapping[str, RunFiles]) -> bool:
    """Whether runs are of different worlds, products or data."""
    return len({tuple(str(run.setting(name)) for name in WORLD) for run in runs.values()}) > 1


def _left_out(runs: Mapping[str, RunFiles]) -> list[str]:
    """Runs of which nothing is shown here but their settings."""
    return [
        f"{name}: figures of {run.summary.get('command', 'such a run')} are not set side by side; see its own report"
        for name, run in runs.items()
        if not {"lift", "agents", "rounds"} & run.summary.keys()
    ]


def _names(directories: Sequence[Path]) -> list[str]:
    """Directory names, with as much of the path before them as tells them apart."""
    paths = [path.resolve() for path in directories]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _writers(runs: Mapping[str, RunFiles]) -> Section | None:
    """Lifts and diversity, and which runs no other run beats in both."""
    tuned = {name: run for name, run in runs.items() if "lift" in run.summary}
    if not tuned:
        return None
    rows, points = [], {}
    for name, run in tuned.items():
        lift, diversity = run.summary["lift"], run.summary.get("diversity", {})
        kept = diversity["tuned"] / diversity["untuned"] if {"tuned", "untuned"} <= diversity.keys() else None
        cells = [gained(lift[what]) for what in ("ctr", "cvr", "reward")]
        kl = number(run.summary["kl"], 1) if "kl" in run.summary else ""
        rows.append([name, *cells, "" if kept is None else percent(kept, 0), kl])
        if kept is not None:
            points[name] = (kept, lift["reward"])
    columns = ["Run", "CTR lift", "CVR lift", "Reward lift", "Diversity kept", "KL"]
    drawn = [side_plots.lifts_plot({name: run.summary["lift"] for name, run in tuned.items()})]
    text = []
    if len(points) > 1 and not _differ(tuned):
        on_front = front([(kept, reward["mean"]) for kept, reward in points.values()])
        drawn.append(side_plots.front_plot(points, on_front))
        best = [name for name, on in zip(points, on_front, strict=True) if on]
        text.append(f"On the Pareto front of reward and diversity, by their means: {', '.join(best)}.")
    return Section("Writers", text, plots=drawn, tables=[Table("Tuned over untuned writer, gold", columns, rows)])


def _tuning(runs: Mapping[str, RunFiles]) -> Section | None:
    curves = {name: run.summary["proxy_gold"] for name, run in runs.items() if run.summary.get("proxy_gold")}
    return Section("Gold along the tuning", plots=[side_plots.gold_plot(curves)]) if curves else None


def _grid(runs: Mapping[str, RunFiles]) -> Section | None:
    cells = {name: run.summary["grid"] for name, run in runs.items() if run.summary.get("grid")}
    if not cells:
        return None
    places = list(dict.fromkeys((w, p) for grid in cells.values() for w, row in grid.items() for p in row))
    rows = [[name, *(_cell(grid.get(w, {}).get(p)) for w, p in places)] for name, grid in cells.items()]
    columns = ["Run", *(f"{writer}, {placement}" for writer, placement in places)]
    return Section("Writing and placement", tables=[Table("Gold reward an impression", columns, rows)])


def _rounds(runs: Mapping[str, RunFiles]) -> Section | None:
    """What rewriting earned in the last round of each run, and over runs."""
    last = {name: run.summary["rounds"][-1] for name, run in runs.items() if run.summary.get("rounds")}
    if not last:
        return None
    text = []
    if len(last) > 1:
        over = t_interval(np.array([row["gain"]["mean"] for row in last.values()]))
        text = [
            f"In the last round rewriting earned {gained(over)} over the first round's "
            f"texts, mean of {len(last)} runs; the interval is over runs (t), so they should differ by seed alone."
        ]
    rows = [[name, str(row["round"]), *(gained(row[key]) for key in ("texts", "gain"))] for name, row in last.items()]
    columns = ["Run", "Rounds", "Its texts over the first round's", "Earned, both placed"]
    return Section("Round by round", text, tables=[Table("The last round against the first's texts", columns, rows)])


def _cell(value: Interval | None, digits: int = 4) -> str:
    return "" if value is None else ranged(value, digits)


def _agents(runs: Mapping[str, RunFiles]) -> Section | None:
    found = {name: run.summary["agents"] for name, run in runs.items() if run.summary.get("agents")}
    if not found:
        return None
    agents = list(dict.fromkeys(agent for standings in found.values() for agent in standings))
    rows = [[agent, *(_cell(found[name].get(agent, {}).get("capture"), 3) for name in found)] for agent in agents]
    captures = {name: {a: row["capture"] for a, row in standings.items()} for name, standings in found.items()}
    table = Table("Capture, with 95% intervals over seeds", ["Agent", *found], rows)
    return Section("Agents", plots=[side_plots.captures_plot(captures)], tables=[table])


def _settings(runs: Mapping[str, RunFiles]) -> Section:
    """What the runs differ in; each one's settings whole, folded away."""
    every = pd.DataFrame({name: pd.Series(flat(run.config), dtype=object) for name, run in runs.items()})
    every = every.where(every.notna(), "–").map(str)
    differ = every[every.nunique(axis=1) > 1]
    differ = differ[[key.rpartition(".")[2] not in INCIDENTAL for key in differ.index]]
    facts = {"command": lambda run: run.summary.get("command", ""), "commit": lambda run: _commit(run)}
    rows = [[name, *(str(fact(run)) for run in runs.values())] for name, fact in facts.items()]
    rows += [[str(key), *row] for key, row in zip(differ.index, differ.to_numpy().tolist(), strict=True)]
    text = ["Settings that are the same in all runs are left out; each run's own are below."]
    folded = {f"{name}: config.yaml": run.config_text for name, run in runs.items() if run.config_text}
    return Section("Settings", text, tables=[Table("What differs", ["Setting", *runs], rows)], folded=folded)


def _commit(run: RunFiles) -> str:
    return (run.environment.get("commit") or "unknown")[:10]
