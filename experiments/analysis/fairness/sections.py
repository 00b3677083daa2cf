"""Sections of the report on who was shown what, on what a minimum exposure cost, and on words that differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..drawing.formats import number, number_range, percent
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by

NAMES = ("world", "agent", "writer", "placement", "policy")
MEASURES = {
    "ctr": "Clicks a visit",
    "cvr": "Conversions a click",
    "exposure": "Share of looks",
    "reach": "Shown at all",
}


@told_by("fairness")
def shown_to_whom(run: RunFiles, found: Any) -> Section:
    """Gaps between groups of users, and between products."""
    groupings = [name for name in ("segment", "channel") if any(name in row for row in found)]
    text = [
        "The largest difference between two groups of users in what they were shown and did, in gold expectation: "
        "clicks a visit, conversions a click, the share of looks that one kind of product had (its exposure), and the "
        "share of visits in which one was shown at all. Kinds are categories and thirds of the prices. Intervals are "
        "over users, each with all visits, and hold for all pairs and kinds together (Bonferroni). Groups that like "
        "different things are shown different things: a gap says that there is a difference, not that it is wrong. All "
        "rates of all groups are in fairness.csv."
    ]
    units = list(dict.fromkeys(unit for row in found for unit in row["units"]))
    tables = [_gaps(f"Largest gap between {name}s", [row for row in found if name in row], name) for name in groupings]
    return Section(
        "Who was shown what", [*text], _below(found), tables=[*tables, *(_units(found, unit) for unit in units)]
    )


def _gaps(caption: str, found: Sequence[Mapping[str, Any]], grouping: str) -> Table:
    measures = [name for name in MEASURES if any(name in row[grouping] for row in found)]
    rows = [
        [_name(row), *(_gap(row[grouping][name]) if name in row[grouping] else "" for name in measures)]
        for row in found
    ]
    return Table(caption, ["Placement", *(MEASURES[name] for name in measures)], rows, prose=True)


def _gap(gap: Any) -> str:
    """'0.290 (0.258 to 0.321), category: toys, families over students'."""
    of = f"{gap['of']}, " if gap["of"] else ""
    return f"{number(gap['mean'], 3)} ({number_range(gap, 3)}), {of}{gap['most']} over {gap['least']}"


def _units(found: Sequence[Mapping[str, Any]], unit: str) -> Table:
    parts = [(row, row["units"][unit]) for row in found if unit in row["units"]]
    rows = [
        [
            _name(row),
            percent(part["least"]["mean"], 2),
            _percents(part["least"], 2),
            percent(part["equal"], 2),
            number(part["inequality"]),
            f"{part['below']} below {percent(part['minimum'], 2)}" if "minimum" in part else "none",
        ]
        for row, part in parts
    ]
    columns = ["Placement", "Least", "95% interval", "If all were equal", "Gini", "Minimum"]
    return Table(f"Share of looks by {unit}: who had least", columns, rows)


def _below(found: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{_name(row)}: {part['below']} shares of looks, by {unit}, are below the minimum of "
        f"{percent(part['minimum'], 2)}."
        for row in found
        for unit, part in row["units"].items()
        if part.get("below")
    ]


def _name(row: Mapping[str, Any]) -> str:
    return ", ".join(str(row[name]) for name in NAMES if name in row)


@told_by("groups")
def of_logs(run: RunFiles, found: Any) -> Section:
    """Gaps between groups of a log's users, as logged and under other policies."""
    text = [
        "The largest difference between two groups of users in clicks a visit and in conversions a click: of the log "
        "as it is, and as it would have been under each policy, by self-normalised weighting (as good as its overlap, "
        "see above). Intervals are over users, each with all visits, and hold for all pairs of groups together "
        "(Bonferroni). A gap says that there is a difference, not that it is wrong. All rates are in fairness.csv."
    ]
    groupings = list(dict.fromkeys(name for row in found for name in row if name != "policy"))
    tables = [_gaps(f"Largest gap by {name}", [row for row in found if row.get(name)], name) for name in groupings]
    return Section("Groups of users", text, tables=tables)


@told_by("minimum_exposure")
def price(run: RunFiles, found: Any) -> Section:
    """What agents lose that see to a minimum exposure."""
    text = [
        "What an agent with a minimum exposure earned less than the same agent without it, before the same visitors: "
        "shares of its reward and of its clicks, learning included, with Student's intervals over pairs of seeds. "
        "Where an interval holds 0 the seeds cannot tell a price; a minus is a gain."
    ]
    rows = [
        [
            f"{row['agent']} in {row['world']}",
            percent(row["minimum"], 2),
            percent(row["reward"]["mean"]),
            _percents(row["reward"]),
            percent(row["ctr"]["mean"]),
            _percents(row["ctr"]),
            f"{percent(row['least']['mean'], 2)}, without {percent(row['least_without']['mean'], 2)}",
            str(row["below"]),
        ]
        for row in found
    ]
    columns = ["Agent", "Minimum", "Reward lost", "95% interval", "Clicks lost", "95% interval", "Least", "Below it"]
    return Section("What a minimum exposure costs", text, tables=[Table("Price", columns, rows)])


def _percents(interval: Any, digits: int = 1) -> str:
    return f"{percent(interval['low'], digits)} to {percent(interval['high'], digits)}"


SOURCES = {"written": "as the writer writes them, for swapped prompts", "shown": "chosen to be shown"}
MOST_WORDS = 25
"""Words that the report lists; wording.csv has all."""


@told_by("wording")
def wording(run: RunFiles, found: Any) -> Section:
    """Words that texts for one audience have oftener than texts for another."""
    text = [
        "Texts for the same products and several audiences. A word is listed where the share of texts that have it "
        "differs: chi-squared, audiences permuted within each product, Benjamini and Hochberg at 5%. To differ is what "
        "writing for an audience is for; a person should look at what differs, and first at words that say something "
        "of people rather than of products (words.yaml). All words are in wording.csv.",
        *(_verdict(SOURCES[name], part) for name, part in found.items()),
    ]
    alarms = [
        f"Texts {SOURCES[name]} differ between audiences in a sensitive word ({word['kind']}): '{word['word']}', in "
        f"{percent(word['share'][word['most']], 0)} for {word['most']} and {percent(word['share'][word['least']], 0)} "
        f"for {word['least']}."
        for name, part in found.items()
        for word in part["differs"]
        if word["sensitive"]
    ]
    tables = [table for name, part in found.items() if part["differs"] for table in _words(SOURCES[name], part)]
    return Section("Words that differ by audience", text, alarms, tables=tables)


def _verdict(source: str, part: Mapping[str, Any]) -> str:
    verdict = "differ" if part["p"] < 0.05 else "are not told apart"
    return (
        f"Texts {source} ({part['products']} products, {part['each']} for each and every audience) {verdict} over all "
        f"words (p = {number(part['p'], 4)}); of {part['tested']} words {len(part['differs'])} are listed."
    )


def _words(source: str, part: Mapping[str, Any]) -> list[Table]:
    rows = [
        [word["word"], word["kind"], *(percent(word["share"][a], 0) for a in part["audiences"]), number(word["q"], 4)]
        for word in part["differs"][:MOST_WORDS]
    ]
    tables = [Table(f"Share of texts {source}", ["Word", "Kind", *part["audiences"], "q"], rows)]
    pairs = [
        [pair["product"], pair["word"], *(f"{pair[end]['audience']}: {pair[end]['text']}" for end in ("most", "least"))]
        for pair in part["pairs"]
    ]
    columns = ["Product", "Word", "With it", "Without it"]
    return [*tables, Table(f"One product, two audiences: texts {source}", columns, pairs, prose=True)]
