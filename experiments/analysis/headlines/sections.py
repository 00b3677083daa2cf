"""Sections of the report on real A/B tests: predicting them, placing their texts."""

from typing import Any

import pandas as pd

from ..drawing.formats import gain, gain_range, number, number_range, percent, ranged
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by
from ..statistics.bootstrap import Interval
from . import plots as headline_plots
from .placements import OURS

MOST_SHOWN = 200
"""Texts that the page lists; the files have all."""


REFUSED = "Refused by"
"""Column of the rules that refuse a text."""


def _any_refused(table: pd.DataFrame) -> bool:
    return "refused" in table and bool((table["refused"].fillna("") != "").any())


@told_by("scored")
def scores(run: RunFiles, found: Any) -> Section:
    """What is predicted of texts that nobody has tested, and why."""
    known = run.summary["predictor"]
    text = [
        f"{found['texts']:,} texts of {found['tests']:,} tests. The lift is over the mean of the test's texts (of a "
        "text that stands alone, over the average headline learned from), with a 95% interval; best is the chance that "
        "a text is the best of its test; the last column says how many impressions a text a test would need to tell it "
        "from the next best (two-sided, 5%, 80% power).",
        f"Learned from {known.get('learned from', 'tests')}: {known.get('texts', '')} texts. On stories not seen, "
        f"measured differences lay in their 95% intervals in {percent(known['covered'])} of pairs.",
    ]
    if run.setting("reasons") != 0:
        text.append("Reasons: by how much leaving a word out, or how it is put, would change the rate.")
    alarms = []
    if found["unfamiliar"]:
        alarms.append(
            f"Unlike those that the predictor learned from (another language?): {found['unfamiliar']:,} of "
            f"{found['texts']:,} texts. What is said of them means little."
        )
    table = run.table("scores.parquet").head(MOST_SHOWN)
    named, why, wrong = "test_id" in table, "reasons" in table, _any_refused(table)
    rows = [
        [
            *([row["test_id"]] if named else []),
            row["text"],
            percent(row["rate"], 2),
            f"{gain(row['lift'])} ({gain(row['lift_low'])} to {gain(row['lift_high'])})",
            "" if pd.isna(row["best"]) else percent(row["best"], 0),
            *([row["reasons"]] if why else []),
            "" if pd.isna(row["to_tell"]) else f"{row['to_tell']:,.0f}",
            *([row["refused"]] if wrong else []),
        ]
        for row in table.to_dict("records")
    ]
    columns = [*(["Test"] if named else []), "Text", "Click rate", "Lift", "Best", *(["Why"] if why else []), "To tell"]
    columns += [REFUSED] if wrong else []
    some = "" if found["texts"] <= MOST_SHOWN else f", the first {MOST_SHOWN} (all are in scores.csv)"
    return Section(
        "Which would be clicked more", text, alarms, tables=[Table(f"Predicted{some}", columns, rows, prose=True)]
    )


@told_by("scored_ads")
def ads(run: RunFiles, found: Any) -> Section:
    """What the effect model of a run believes of ads that nobody has shown."""
    text = [
        f"{found['texts']:,} texts, held against the others for the same product and audience. They are ranked by what "
        f"an impression is worth, in clicks: CTR times one plus {found['value']:g} times CVR. Least and most are over "
        "the members of the ensemble. Reasons: by how much leaving a word out, or how it is put, would change that "
        "worth.",
    ]
    table = run.table("scores.parquet").head(MOST_SHOWN)
    named, wrong = [name for name in ("product_id", "test_id", "audience") if name in table], _any_refused(table)
    rows = [
        [
            *(row[name] for name in named),
            row["text"],
            percent(row["ctr"], 2),
            percent(row["cvr"], 1),
            f"{row['worth']:.4f} ({row['worth_least']:.4f} to {row['worth_most']:.4f})",
            "" if pd.isna(row["lift"]) else gain(row["lift"]),
            row.get("reasons", ""),
            *([row["refused"]] if wrong else []),
        ]
        for row in table.to_dict("records")
    ]
    titles = [name.replace("_id", "").capitalize() for name in named]
    columns = [*titles, "Text", "CTR", "CVR", "Worth (least to most)", "Lift", "Why", *([REFUSED] if wrong else [])]
    some = "" if found["texts"] <= MOST_SHOWN else f", the first {MOST_SHOWN} (all are in scores.csv)"
    return Section("Which would earn more", text, tables=[Table(f"Predicted{some}", columns, rows, prose=True)])


@told_by("pairwise_accuracy")
def prediction(run: RunFiles, found: Any) -> Section:
    """How often the better text is named, by gap, and whether promises are kept."""
    summary = run.summary
    text = [
        f"{summary['tests']:,} tests with {summary['texts']:,} texts, each judged by a model that saw no text and no "
        f"story of its test. Sentence encoder: {summary['encoder']}. A pair is two texts of one test under one picture "
        "whose click rates differ; it is significant if |z| > 1.96. Intervals are over tests.",
        "Probabilities are for winning a test of the size of those learned from; expected calibration error "
        f"{percent(summary['calibration']['expected_calibration_error'])}, log-loss "
        f"{number(summary['calibration']['log_loss'], 3)} (0.693 for who always says a half).",
    ]
    rows = [
        [f"{name} pairs", f"{summary['pairs'][name]:,}", number(value["mean"], 3), number_range(value, 3)]
        for name, value in found.items()
    ]
    gaps = summary["by_gap"]
    for i, row in enumerate(gaps):
        until = f" to {gaps[i + 1]['from']:.0%}" if i + 1 < len(gaps) else " or more"
        value = row["accuracy"]
        name = f"better by {row['from']:.0%}{until}"
        rows.append([name, f"{row['pairs']:,}", number(value["mean"], 3), number_range(value, 3)])
    table = Table("Share of pairs whose better text was named", ["Pairs", "How many", "Accuracy", "95% interval"], rows)
    return Section(
        "Predicting real tests",
        text,
        plots=[headline_plots.reliability_plot(summary["calibration"]["bins"])],
        tables=[table],
    )


@told_by("margin")
def placing(run: RunFiles, margin: Any) -> Section:
    """Capture by policy and traffic, and the margin of ours."""
    summary = run.summary
    bound = summary.get("bound", {})  # runs of older versions have none
    text = [
        "Every test is replayed: its texts have the click rates that were measured, shrunk to the test's mean with "
        f"3,000 impressions, and a policy that knows none of them places them in {run.setting('batches')} batches. "
        "Capture is the share of the way from uniform placement to the best text (which earns "
        f"{gain(summary['oracle_over_uniform'])} clicks), learning included. Ours takes the text model's word, as far "
        "as earlier tests bear it out, for its prior.",
        *(_margin(total, row) for total, row in margin.items()),
        *(_bound(total, row, summary["of_bound"][total]) for total, row in bound.items()),
    ]
    alarms = [_margin(total, row) for total, row in margin.items() if not row["low"] > 0]
    columns = ["Policy", *(f"{int(total):,} impressions" for total in margin)]
    captured = Table("Capture, 95% intervals over tests", columns, _rows(summary["capture"], 2))
    gained = Table("Clicks gained over uniform placement, a thousand impressions", columns, _rows(summary["gained"], 2))
    return Section(
        "Placing real texts", text, alarms, [headline_plots.capture_plot(summary["capture"], bound)], [captured, gained]
    )


def _margin(total: str, row: Any) -> str:
    verdict = "" if row["low"] > 0 else ": not shown to be better"
    figure = ranged(row, 3)
    return f"At {int(total):,} impressions {OURS} captures {figure} more than {row['over']}, the best other{verdict}."


def _bound(total: str, row: Any, of_bound: Any) -> str:
    return (
        f"At {int(total):,} impressions no policy captures more than {number(row['mean'])} on average (information "
        f"relaxation, the prior known); {OURS} captures {ranged(of_bound, 2)} of that."
    )


def _rows(found: dict[str, dict[str, Interval]], digits: int) -> list[list[str]]:
    names = list(next(iter(found.values())))
    last = list(found)[-1]
    names.sort(key=lambda name: -found[last][name]["mean"])
    return [[name, *(ranged(row[name], digits) for row in found.values())] for name in names]


@told_by("winners")
def testing(run: RunFiles, called: Any) -> Section:
    """When an A/B test could call a winner, which texts differ, which tests were dealt unevenly."""
    differing, ratio = run.summary["differing"], run.summary["sample_ratio"]
    text = [
        "Every test is run as an A/B test of the same rates, all texts shown as often and watched all along; a winner "
        "is called when an anytime-valid test sets it above every other text, at 5% a test.",
        f"Of {differing['texts']:,} texts {differing['alone']:,} differ from the others of their test at p < 0.05, "
        f"each looked at alone; {differing['discoveries']:,} do at a false discovery rate of 5%.",
        f"In {ratio['mismatched']:,} of {ratio['tests']:,} tests impressions were not dealt evenly (p < 0.001); these "
        "are named in sample_ratio.csv, and not left out.",
    ]
    rows = [[f"{row['impressions']:,}", percent(row["called"]), percent(row["wrong"])] for row in called]
    columns = ["Impressions a test", "Called", "Called wrongly"]
    return Section("The tests as A/B tests", text, tables=[Table("Share of tests with a winner called", columns, rows)])


@told_by("what_matters")
def matters(run: RunFiles, rows: Any) -> Section:
    """Words and style that go with clicks."""
    text = [
        "Against the other texts of the same test. Each is looked at alone, so it also stands for what comes with it; "
        "shown are those with a false discovery rate of 5%. For style: one standard deviation more of it."
    ]
    table = Table(
        "Change of click rate",
        ["Word or style", "Texts", "Effect", "95% interval"],
        [
            [
                f"{row['name']} ({row['kind']})",
                f"{row['texts']:,}",
                gain(row["effect"]["mean"]),
                gain_range(row["effect"]),
            ]
            for row in rows
        ],
    )
    return Section("What in a text matters", text, plots=[headline_plots.words_plot(rows)], tables=[table])
