"""Sections of the report on placement in the loop: the grid of writer and placement, learning curves."""

from collections.abc import Mapping

from . import findings, plots
from .formats import gain, number, number_range
from .run_files import RunFiles
from .sections import Section, Table
from .statistics import Interval


def grid(run: RunFiles) -> Section | None:
    """Gold reward by writer and placement."""
    grid = run.summary.get("grid")
    if not grid:
        return None
    rows = [
        [f"{writer}, {how}", number(value["mean"], 4), number_range(value)]
        for writer, row in grid.items()
        for how, value in row.items()
    ]
    worth = number(run.config.get("conversion_value", 10.0), 0)
    text = [
        f"Gold reward an impression: expected clicks plus {worth} times expected conversions, summed over the slate; "
        "the bandit's learning phase counts.",
        _placement_gains(grid),
        *(f"Intervals overlap, bandit and uniform, {found}." for found in findings.overlapping(grid)),
    ]
    table = Table("Gold reward an impression", ["Writer, placement", "Reward", "95% interval"], rows)
    return Section("Writing and placement", text, findings.placement_findings(grid), [plots.grid_plot(grid)], [table])


def _placement_gains(grid: Mapping[str, Mapping[str, Interval]]) -> str:
    gains = [
        f"{writer} writer {gain(row['bandit']['mean'] / row['uniform']['mean'] - 1)}"
        for writer, row in grid.items()
        if {"uniform", "bandit"} <= row.keys()
    ]
    text = f"Bandit over uniform placement: {', '.join(gains) or 'not compared'}."
    if {"untuned", "tuned"} <= grid.keys() and "uniform" in grid["untuned"] and "bandit" in grid["tuned"]:
        both = grid["tuned"]["bandit"]["mean"] / grid["untuned"]["uniform"]["mean"] - 1
        text += f" Tuning and bandit together, over neither: {gain(both)}."
    return text


def placement(run: RunFiles) -> Section | None:
    """Reward along the placement runs."""
    if run.placement.empty:
        return None
    rows = []
    for (writer, how), part in run.placement.groupby(["writer", "placement"], sort=False):
        eighth = plots.eighth(part)
        first, last = part["reward"].iloc[:eighth].mean(), part["reward"].iloc[-eighth:].mean()
        rows.append([f"{writer}, {how}", number(first, 4), number(last, 4)])
    table = Table("Gold reward an impression along the run", ["Writer, placement", "First eighth", "Last eighth"], rows)
    return Section("Learning to place", plots=[plots.placement_plot(run.placement)], tables=[table])
