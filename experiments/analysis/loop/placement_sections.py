"""Sections of the report on placement in the loop: the grid of writer and placement, learning curves."""

from collections.abc import Mapping
from typing import Any

from ..drawing.formats import gain, number, number_range, percent
from ..drawing.plots import eighth
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by
from ..statistics.bootstrap import Interval
from . import findings, plots


@told_by("grid")
def grid(run: RunFiles, grid: Any) -> Section:
    """Gold reward by writer and placement."""
    rows = [
        [f"{writer}, {how}", number(value["mean"], 4), number_range(value)]
        for writer, row in grid.items()
        for how, value in row.items()
    ]
    worth = number(run.setting("conversion_value") or 0.0, 0)
    text = [
        f"Reward an impression: true clicks plus {worth} times true conversions, summed over the slots; "
        "the bandit's learning phase counts.",
        _placement_gains(grid),
        *(f"Intervals overlap, bandit and uniform, {found}." for found in findings.overlapping(grid)),
    ]
    if "ab_test" in run.summary:
        text.append(_called(run.summary["ab_test"]))
    table = Table("Reward an impression", ["Writer, placement", "Reward", "95% interval"], rows)
    alarms = [*findings.lost_in_placement(grid), *findings.placement_findings(grid)]
    drawn = [plots.grid_plot(grid)]
    return Section("What placing the texts earned", text, alarms, drawn, [table])


def _called(test: Mapping[str, Any]) -> str:
    rates = ", ".join(f"{percent(rate, 2)} {writer}" for writer, rate in test["click_rates"].items())
    difference, shown = test["difference"], f"{test['impressions']:,}"
    found = f"after {shown} visits the {test['winner']} writer could be called the winner"
    if test["winner"] is None:
        found = f"the difference is not yet callable after {shown} visits"
    return (
        f"As an A/B test of the writers under uniform placement, watched at every batch: {found}. Visits with a click: "
        f"{rates}; difference {gain(difference['mean'], 2)} of visits, {gain(difference['low'], 2)} to "
        f"{gain(difference['high'], 2)} at whatever moment one looks (95%)."
    )


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
        few = eighth(part)
        first, last = part["reward"].iloc[:few].mean(), part["reward"].iloc[-few:].mean()
        rows.append([f"{writer}, {how}", number(first, 4), number(last, 4)])
    table = Table("Gold reward an impression along the run", ["Writer, placement", "First eighth", "Last eighth"], rows)
    return Section("Learning to place", plots=[plots.placement_plot(run.placement)], tables=[table])


def placed(run: RunFiles) -> Section | None:
    """Which categories the bandit put where."""
    shown = run.placed
    if shown.empty:
        return None
    text = [
        "What share of each slot of each channel went to products of a category, with the tuned writer's texts. "
        "Uniform placement gives every category its share of the creatives, everywhere."
    ]
    tables, drawn = [], []
    for how in dict.fromkeys(shown["placement"]):
        part = shown[(shown["writer"] == "tuned") & (shown["placement"] == how)]
        shares = part.pivot_table(index=["channel", "slot"], columns="category", values="shown", sort=False)
        shares = shares.div(shares.sum(axis=1).clip(lower=1), axis=0)
        if how == "uniform":
            everywhere = shares.mean()
            rows = [[str(name), percent(share, 0)] for name, share in everywhere.items()]
            tables.append(Table("Share of every slot under uniform placement", ["Category", "Share"], rows))
        else:
            drawn.append(plots.placed_plot(shares, how))
    return Section("Where they were shown", text, plots=drawn, tables=tables)
