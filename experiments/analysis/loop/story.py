"""What a run comes to, and how one goes on from it: on top of the report, and last on the terminal."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..drawing.formats import gain, gained
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section
from . import findings

MOST = 6
"""Findings that the terminal tells."""


def outcome(summary: Mapping[str, Any], archive: bool = False) -> str:
    """Whether tuning and placing paid, in two sentences; empty where a run has no lift."""
    lift = summary.get("lift") or {}
    if "ctr" not in lift:
        return ""
    found = [f"clicks an impression {gained(lift['ctr'])}"]
    if not archive and "cvr" in lift:
        found.append(f"conversions a click {gained(lift['cvr'])}")
    told = f"{_cause(summary)} changed what simulated {'readers' if archive else 'users'} do: {', '.join(found)}."
    if own := summary.get("reference_ads"):
        told += f" Against the reference ads, clicks an impression {gained(own['lift']['ctr'])}."
    tuned = (summary.get("grid") or {}).get("tuned") or {}
    if {"uniform", "bandit"} <= tuned.keys():
        more = gain(tuned["bandit"]["mean"] / tuned["uniform"]["mean"] - 1)
        told += f" A bandit that learns which text to show where, and to whom, earns {more} on showing them at random."
    return told


def _cause(summary: Mapping[str, Any]) -> str:
    """What was done to the texts: where the first weights were kept, it was the choice among many that changed them."""
    label, chosen = (summary.get("tuner") or {}).get("label"), summary.get("chosen") or {}
    among = (summary.get("choice") or {}).get("among", 1)
    if label and chosen.get("step") == 0 and among > 1:
        return (
            f"{label} found no weights better than the untuned writer's, which were kept; choosing among some "
            f"{among:.0f} texts a prompt"
        )
    return f"Tuning the writer{f' by {label}' if label else ''}"


def next_steps(run: RunFiles) -> list[tuple[str, str]]:
    """What one may do with a finished `loop` or `tune`, and the command; empty where there is nothing to take along.

    Names the files that the run was given; a name in capitals stands for one that it was not.
    """
    summary, path = run.summary, run.path
    if "lift" not in summary or "command" not in summary:  # a round of a loop is no run of its own
        return []
    texts, log = _given(run, "ads") or "YOUR_TEXTS.csv", _given(run, "logs") or "YOUR_LOG.csv"
    again = f"{summary['command']} --config {path}/config.yaml"
    steps = [
        ("Play with it: type a product, see what it writes", f"serve {path}"),
        ("Take the tuned writer along", f"export {path} --to my-writer"),
        ("What texts of your own would earn, and why", f"score {texts} --predictor {path}/effect"),
        ("How much of it is chance: another seed", f"{again} --seed 1"),
    ]
    if not run.archive:
        steps.append(("What such texts would earn by a log of your own", f"offline --logs {log} --policy {path}"))
    return [(what, f"copybandit {command}") for what, command in steps]


def _given(run: RunFiles, name: str) -> str:
    """A file that the run was given, as a command takes it; empty where it was given none."""
    file, columns = run.setting(name), run.setting("columns")
    if not file:
        return ""
    return shlex.quote(str(file)) + (f" --columns {shlex.quote(str(columns))}" if columns else "")


def last_words(directory: Path) -> list[str]:
    """Lines for the terminal on a finished run: what fell short, what came out, and the commands that go on."""
    run = RunFiles(directory)
    short = [f"Fell short: {sentence}" for sentence in findings.fell_short(run.summary, findings.targets(run))]
    if len(short) > MOST:
        short[MOST:] = [f"Fell short: {len(short) - MOST} more findings stand in the report."]
    steps = next_steps(run)
    told = [line for what, command in steps for line in (what, f"  {command}")]
    notes = [f"Note: {note}" for note in run.notes]
    return ["", *short, outcome(run.summary, run.archive), *notes, f"All of it: {directory}/report.html", "", *told, ""]


def go_on(run: RunFiles) -> Section | None:
    """Commands with the run's own path."""
    steps = next_steps(run)
    if not steps:
        return None
    return Section("How to go on", code="\n\n".join(f"# {what}\n{command}" for what, command in steps))
