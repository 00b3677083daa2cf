"""Section of the report on closed-loop rounds: what each brought, beside texts that were never rewritten."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..drawing.formats import gain, gain_range, number, number_range
from ..drawing.plots import LIGHT, Plot, _axes, _legend, _plot, _styled
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table


def rounds(run: RunFiles) -> Section | None:
    """Reward of both lines, round by round."""
    found = run.summary.get("rounds")
    if not found:
        return None
    last = found[-1]
    text = [
        "Each round logs the ads and what is on show at random, learns the effect model anew, tunes the writer from "
        "where the first round's warm start ended, and places its texts: new ones enter as new arms that believe what "
        "was known of the text before them, and the half on show that earned least retires. The other line goes on "
        "showing the first round's texts. The same visitors come to both, and both bandits go on learning. What the "
        "random logs cost is not counted. The rewritten line has more on show to choose among; what its newest texts "
        "are worth by themselves is in the second table.",
        f"In round {last['round']} rewriting earned {gain(last['gain']['mean'])} ({gain_range(last['gain'])}) over the "
        "first round's texts.",
    ]
    alarms = []
    if len(found) > 1 and not last["gain"]["low"] > 0:
        alarms.append(
            f"Rewriting the texts brought nothing that can be told from chance in round {last['round']}: "
            f"{gain(last['gain']['mean'])} ({gain_range(last['gain'])})."
        )
    return Section("Round by round", text, alarms, [rounds_plot(found)], [_earned(found), _brought(found)])


def _earned(found: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [
            f"{row['round']}, {name}",
            f"{row['hours'][0]:,.0f} to {row['hours'][1]:,.0f}",
            *(str(facts[key]) for key in ("entered", "retired", "on_show")),
            number(facts["reward"]["mean"], 4),
            number_range(facts["reward"]),
        ]
        for row in found
        for name, facts in row["lines"].items()
    ]
    columns = ["Round, line", "Hours", "Entered", "Retired", "On show", "Reward", "95% interval"]
    return Table("Gold reward an impression, placed by the bandit", columns, rows)


def _brought(found: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [
            str(row["round"]),
            *(f"{gain(row[key]['mean'])} ({gain_range(row[key])})" for key in ("tuning", "texts", "gain")),
        ]
        for row in found
    ]
    columns = [
        "Round",
        "Its texts over the untuned writer's",
        "Its texts over the first round's",
        "Earned, both placed",
    ]
    return Table("What each round brought, gold reward", columns, rows)


@_styled
def rounds_plot(found: Sequence[Mapping[str, Any]]) -> Plot:
    """Gold reward of both lines by round, with intervals."""
    figure, axes = _axes(3.4)
    told = []
    looks = zip(found[0]["lines"], ((LIGHT["blue"], "o"), (LIGHT["grey"], "s")), (-0.06, 0.06), strict=True)
    for name, (colour, mark), aside in looks:
        x = [row["round"] + aside for row in found]
        rewards = [row["lines"][name]["reward"] for row in found]
        axes.plot(x, [reward["mean"] for reward in rewards], f"{mark}-", color=colour, label=name)
        axes.vlines(x, [r["low"] for r in rewards], [r["high"] for r in rewards], color=colour, linewidth=2)
        told.append(f"{name} " + ", ".join(number(reward["mean"], 4) for reward in rewards))
    axes.set_xticks([row["round"] for row in found])
    axes.set_xlabel("round")
    axes.set_ylabel("gold reward an impression")
    _legend(axes, 2)
    caption = "The same visitors come to both lines; bars are 95% intervals over users."
    return _plot("rounds", figure, f"Gold reward by round: {'; '.join(told)}.", caption)
