"""Sections of the report on agents that were compared: standings, curves, paired differences."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ...harness.files import load_table
from ..drawing.formats import gain_units, number, number_range, percent
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by
from . import plots as agent_plots

COLUMNS = (
    "Agent",
    "Capture",
    "Reward an impression",
    "Regret an impression",
    "Best",
    "Regret's power",
    "µs a decision",
)


def agents(run: RunFiles) -> Section | None:
    """Standings in each world, with regret and learning curves."""
    if run.curves.empty:
        return None
    text = [
        "Reward and regret are an impression, in gold expectation, learning included; ranges are 95% intervals over "
        f"{run.summary['seeds']} seeds (Student's t). Capture is the share of the way from uniform placement to the "
        "best slates. Best: how likely it has the highest mean reward, given what the seeds showed. Regret that grows "
        "as impressions to a power below 1 is sublinear: the agent still learns. Microseconds are those of deciding "
        "and learning from one visit."
    ]
    several = run.summary.get("worlds", {})
    tables = [_standings("Agents, best first", run.summary["agents"], run.curves)] if not several else []
    if several:
        text.append("Over all worlds, every world counts as much; then world by world.")
        tables.append(_standings("Over all worlds, best first", run.summary["agents"], None))
    drawn = []
    for world, curves in run.curves.groupby("world", sort=False):
        if several:
            tables.append(_standings(f"In {world}, best first", several[world]["agents"], curves))
        title = f"{world}: " if several else ""
        name = f"-{world}" if several else ""
        drawn += [agent_plots.regret_plot(curves, name, title), agent_plots.learning_plot(curves, name, title)]
    return Section("Which agent", text, plots=drawn, tables=tables)


def _standings(caption: str, found: Mapping[str, Any], curves: pd.DataFrame | None) -> Table:
    exponents = {} if curves is None else agent_plots.regret_exponents(curves)
    rows = [
        [
            name,
            number_range(figures["capture"], 3),
            number_range(figures["reward"], 4),
            number_range(figures["regret"], 4),
            percent(figures["best"], 0),
            f"{exponents[name]:.2f}" if name in exponents else "",
            f"{1e6 / figures['decisions_per_second']['mean']:,.1f}",
        ]
        for name, figures in sorted(found.items(), key=lambda item: -item[1]["reward"]["mean"])
    ]
    return Table(caption, COLUMNS, rows)


@told_by("real_tests")
def real_tests(run: RunFiles, found: Any) -> Section:
    """The same agents on real A/B tests: is the ranking of the world theirs?"""
    verdict = "The rankings have something to do with each other" if found["p"] < 0.05 else "That could be chance"
    text = [
        f"{found['tests']:,} real A/B tests, each a world of its own with the click rates that were measured (shrunk "
        f"to the test's mean with 3,000 impressions), one slot and {found['impressions']:,} impressions; no context "
        "and no text is read there. Capture is the share of the way from uniform placement to the best text; intervals "
        "are over tests.",
        f"Kendall's tau between the agents' capture in the world and in the tests is {number(found['tau'])} "
        f"({len(found['capture'])} agents, p = {number(found['p'])}). {verdict}. An agent that lives on who the "
        "visitor is has nothing to go by in these tests.",
    ]
    rows = [
        [name, number_range(value, 3), number(found["world"][name], 3)]
        for name, value in sorted(found["capture"].items(), key=lambda item: -item[1]["mean"])
    ]
    return Section(
        "The same agents on real tests", text, tables=[Table("Best first", ["Agent", "Tests", "World"], rows)]
    )


def differences(run: RunFiles) -> Section | None:
    """The best agent of each world against all others, paired by seed."""
    path = run.path / "differences.csv"
    if not path.is_file():
        return None
    pairs = load_table(path)
    text = [
        "Agents of a seed met the same visitors, so their differences are far surer than their means. Differences of "
        "reward an impression, in thousandths; the interval is of the pair alone, p is corrected for all pairs of the "
        "world (paired t-test, Holm). All pairs are in differences.csv."
    ]
    tables = [
        Table(f"{part['better'].iloc[0]} ahead of, in {world}", ["Agent", "Ahead by", "95% interval", "p"], _rows(part))
        for world, part in pairs.groupby("world", sort=False)
    ]
    return Section("Paired differences", text, tables=tables)


def _rows(pairs: pd.DataFrame) -> list[list[str]]:
    of_best = pairs[pairs["better"] == pairs["better"].iloc[0]]
    return [
        [
            row.worse,
            gain_units(1000 * row.difference),
            f"{number(1000 * row.low)} to {number(1000 * row.high)}",
            "< 0.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}",
        ]
        for row in of_best.itertuples()
    ]
