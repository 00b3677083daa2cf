"""Sections of the report on what agents had to live with: delays, money, caps; and on creatives that are new."""

from collections.abc import Mapping
from typing import Any

from ..drawing.formats import number, number_range
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by

HEADERS = {
    "delay_hours": "Mean delay learned, hours",
    "conversion_weight": "A conversion seen counts",
    "spent": "Spent",
    "bought": "Visits bought",
    "over_daily_cap": "Showings over the daily cap",
    "likeness": "Likeness in a slate",
    "least_exposure": "Least exposure",
    "below_minimum": "Shares below the minimum",
}
"""Of figures that wrappers tell, in this order."""


@told_by("traffic")
def traffic(run: RunFiles, told: Any) -> Section:
    """What was asked for, and what there is to tell of it, agent by agent or placement by placement."""
    given = told.get("options", told)
    rows = _of_agents(run.summary["agents"]) if "agents" in run.summary else _of_placements(told)
    names = [name for name in HEADERS if any(name in figures for figures in rows.values())]
    asked = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in given.items())
    text = [
        f"Agents had to live with this: {asked}. Rewards are those of all visits; where money is short, in visits that "
        "are not bought nothing is earned, and the best slates, too, had to be bought."
    ]
    if not names:
        return Section("Delays, money, caps", text)
    lines = [[who, *(number(f[n], 3) if n in f else "" for n in names)] for who, f in rows.items()]
    table = Table("What there is to tell of it", ["Who", *(HEADERS[name] for name in names)], lines)
    return Section("Delays, money, caps", text, tables=[table])


def _of_agents(agents: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    return {name: figures.get("traffic", {}) for name, figures in agents.items()}


def _of_placements(told: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    return {
        f"{writer}, {how}": figures
        for writer, row in told.items()
        if writer != "options"
        for how, figures in row.items()
    }


@told_by("cold_start")
def new_creatives(run: RunFiles, found: Any) -> Section:
    """How soon the best new texts are shown, with and without what the effect model expects of them."""
    names = {"unknown": "nothing is known of them", "known": "the effect model's word counts"}
    rows = [
        [names[way], *(number_range(found[way][column], digits) for column, digits in COLUMNS.values())]
        for way in names
    ]
    text = [
        "A bandit that knows the untuned texts is given the tuned ones as well. The best quarter of the new texts, by "
        f"gold reward, is watched; what the effect model expects counts as {number(found['trials'], 0)} trials. "
        f"Impressions saved: {number_range(found['saved'], 0)} (95%, {found['repeats']} repetitions)."
    ]
    return Section("New creatives", text, tables=[Table("Until they are shown", ["New texts", *COLUMNS], rows)])


COLUMNS = {
    "Impressions until 80% of the final share": ("impressions", 0),
    "Final share of showings": ("share", 3),
    "Reward an impression, first tenth": ("reward", 4),
}
