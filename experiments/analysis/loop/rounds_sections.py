"""Section of the report on closed-loop rounds: what each brought, beside texts that were never rewritten."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..drawing.formats import gained, number, number_range
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by
from . import plots


@told_by("rounds")
def rounds(run: RunFiles, found: Any) -> Section:
    """Reward of both lines, round by round."""
    last = found[-1]
    text = [
        "Each round logs the ads and what is on show at random, learns the effect model anew, tunes the writer from "
        "where the first round's warm start ended, and places its texts: new ones enter as new arms that believe what "
        "was known of the text before them, and the half on show that earned least retires. The other line goes on "
        "showing the first round's texts. The same visitors come to both, and both bandits go on learning. What the "
        "random logs cost is not counted. The rewritten line has more on show to choose among; what its newest texts "
        "are worth by themselves is in the second table.",
        f"In round {last['round']} rewriting earned {gained(last['gain'])} over the first round's texts.",
    ]
    alarms = []
    if len(found) > 1 and not last["gain"]["low"] > 0:
        alarms.append(
            f"Rewriting the texts brought nothing that can be told from chance in round {last['round']}: "
            f"{gained(last['gain'])}."
        )
    return Section("Round by round", text, alarms, [plots.rounds_plot(found)], [_earned(found), _brought(found)])


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
            *(gained(row[key]) for key in ("tuning", "texts", "gain")),
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
