"""The tables of `evidence/coverage.md`, from what was measured: `python docs/coverage_table.py` writes them there."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

DOCS = Path(__file__).parent
PAGE = DOCS / "evidence" / "coverage.md"
FIGURES = DOCS / "evidence" / "results" / "configurations.json"
BEGIN, END = "<!-- {name} -->\n", "<!-- {name}, end -->\n"


def tables() -> dict[str, str]:
    """Markdown by name."""
    found = json.loads(FIGURES.read_text(encoding="utf-8"))
    return {
        "propensities": _propensities(found["propensities"]),
        "offline": _offline(found["offline"]["rows"]),
        "compare": _compare(found["compare"]),
    }


def _propensities(rows: list[dict[str, Any]]) -> str:
    """A line an agent and its surroundings; of several worlds the worst cell and the least p."""
    lines = []
    for (agent, around), part in pd.DataFrame(rows).groupby(["agent", "surroundings"], sort=False):
        told = part[part.method != "none"]
        methods = ", ".join(dict.fromkeys(told.method))
        fine = "yes" if (told.p_holm >= 0.05).all() and told.constant.all() else "**no**"
        worlds = ", ".join(told.scenario)
        lines.append((agent, around, worlds, methods, f"{told.cells.sum():,}", f"{told.p.min():.3f}", fine))
    head = ("agent", "surroundings", "worlds", "propensities", "cells", "least p", "within error")
    return _markdown(head, lines)


def _offline(rows: list[dict[str, Any]]) -> str:
    """A line a policy and number of slots, a column an estimator."""
    frame = pd.DataFrame(rows)
    names = list(dict.fromkeys(frame.estimator))
    lines = []
    for (policy, slots), part in frame.groupby(["policy", "slots"], sort=False):
        by = part.set_index("estimator")
        lines.append((policy, str(slots), *(_share(by.loc[name]) if name in by.index else "" for name in names)))
    return _markdown(("policy", "slots", *names), lines)


def _compare(rows: list[dict[str, Any]]) -> str:
    """A line an agent and its traffic, a column a figure."""
    frame = pd.DataFrame(rows)
    names = list(dict.fromkeys(frame.figure))
    lines = []
    for (agent, traffic), part in frame.groupby(["agent", "traffic"], sort=False):
        by = part.set_index("figure")
        lines.append((agent, traffic, *(_share(by.loc[name]) if name in by.index else "" for name in names)))
    return _markdown(("agent", "traffic", *names), lines)


def _share(row: Any) -> str:
    """Bold where 93% to 97% lies outside what the error admits."""
    text = f"{100 * row['coverage']:.1f}"
    return f"**{text}**" if row["high"] < 0.93 or row["low"] > 0.97 else text


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def with_tables(page: str) -> str:
    """The page with the tables of today."""
    for name, table in tables().items():
        begin, end = (mark.format(name=name) for mark in (BEGIN, END))
        before, rest = page.split(begin)
        page = before + begin + table + end + rest.split(end)[1]
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
