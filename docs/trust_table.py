"""The table on top of `reliability.md`, from what was measured: `python docs/trust_table.py` writes it there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
PAGE = DOCS / "reliability.md"
_READ = ("breaches passed by rules", "breaches passed by rules and flags", "good lines flagged")
COUNTS = ("tried", "survived", "bytes_lost", "tracebacks")
BEGIN, END = "<!-- measured -->\n", "<!-- measured, end -->\n"


def table() -> str:
    """Markdown; each row names the page that says how its figure was made."""
    rows = [*_faults(), *_inputs(), *_load(), *_configurations(), *_people(), *_copy()]
    head = ["| what was tried | came of it | how |", "|---|---|---|"]
    return "\n".join(head + [f"| {what} | {found} | {where} |" for what, found, where in rows]) + "\n"


def _faults() -> Iterator[tuple[str, str, str]]:
    rows = _read("faults")["rows"]
    killed = [row for row in rows if row["fault"].startswith("SIG")]
    others = [row for row in rows if not row["fault"].startswith("SIG")]
    for what, part in (("commands killed at random moments", killed), ("disk, rights or memory taken away", others)):
        tried, survived, lost, told = (sum(row[count] for row in part) for count in COUNTS)
        found = f"{survived} of {tried} survived; {lost} bytes lost; {told} tracebacks"
        yield what, found, "`python -m tests.faults`, below"


def _inputs() -> Iterator[tuple[str, str, str]]:
    found = _read("hostile")
    yield (
        "hostile inputs to every reader",
        f"{found['tried']:,} tried, {found['refused']:,} refused in one line, crashes: {found['crashed']}, mended "
        f"since; peak {found['peak_mb']:,} MiB",
        f"`{found['command']}`",
    )


def _load() -> Iterator[tuple[str, str, str]]:
    found = _read("load")
    catalog = found["catalog"]
    for name, note in (("day_before", ", before this was mended"), ("day", "")):
        day = found[name]
        yield (
            f"{day['impressions']:,} impressions, {day['hours']:.1f} of 24 h at {day['per_second']:,} a second{note}",
            f"memory {day['first_hour_mb']:,.0f} MB in the first settled hour, {day['last_hour_mb']:,.0f} in the last: "
            f"{day['slope_mb_per_hour']:+.1f} MB an hour",
            "[load](scale.md#load)",
        )
    last, power = catalog["sizes"][-1], catalog["exponents"]
    yield (
        f"a catalog of {last['rows']:,} rows",
        f"read in {last['read_seconds']:.0f} s, peak {last['read_peak_mb']:,.0f} MB; time grows as rows to the "
        f"{power['read_seconds']:.2f}",
        "[load](scale.md#load)",
    )


def _configurations() -> Iterator[tuple[str, str, str]]:
    found = _read("configurations")
    where = "[configuration by configuration](evidence/coverage.md)"
    told = [row for row in found["propensities"] if row["cells"]]
    fine = sum(row["p_holm"] >= 0.05 and row["constant"] for row in told)
    yield f"propensities, {len(told)} configurations of `compare`", f"{fine} within binomial error", where
    for command, rows in (("offline", found["offline"]["rows"]), ("compare", found["compare"])):
        inside = sum(0.93 <= row["coverage"] <= 0.97 for row in rows)
        within = sum(row["high"] >= 0.93 and row["low"] <= 0.97 for row in rows)
        said = f"{inside} cover 93% to 97%, {within - inside} more within the error, {len(rows) - within} do not"
        yield f"95% intervals, {len(rows)} configurations of `{command}`", said, where


def _people() -> Iterator[tuple[str, str, str]]:
    told = _read("privacy")["trust"]["canaries"]
    for learner in ("writer", "effect"):
        by_count = told[learner]["digits"]
        found = ", ".join(f"{by_count[n]['exposure']:.1f}" for n in sorted(by_count, key=int))
        counts = ", ".join(sorted(by_count, key=int))
        name = "built-in writer" if learner == "writer" else "effect model"
        what = f"exposure of a number planted in {counts} ads, {name}, in bits of {told['most']:.0f}"
        yield what, found, "[privacy](privacy.md#canaries)"
    rows = _read("private")["rows"]
    curve = [f"ε = {row['epsilon']:g}: {row['ctr_lift']:+.1%}" for row in rows if row["epsilon"] is not None]
    plain = next(row for row in rows if row["model"] == "not private")
    yield (
        "CTR lift of texts chosen by an effect model that is private for users, smoke size",
        f"{', '.join(curve)}; not private: {plain['ctr_lift']:+.1%}",
        "[private learning](private-learning.md)",
    )
    for row in _read("fairness")["minimum_exposure"]:
        if row["agent"] == "linucb" and row["minimum"] in (0.005, 0.01):
            least = f"{row['least_without']['mean']:.2%} to {row['least']['mean']:.2%}"
            cost = f"{row['reward']['mean']:.1%} [{100 * row['reward']['low']:.1f}, {100 * row['reward']['high']:.1f}]"
            what = f"least exposure of 50 products by LinUCB, with a minimum of {row['minimum']:.1%}"
            yield what, f"{least}, for {cost} of the reward", "[fairness](fairness.md)"


def _copy() -> Iterator[tuple[str, str, str]]:
    found = _read("compliance")
    for language in ("English", "Chinese"):
        passed, refused = (found["first_contact"][language][k] for k in ("breaches passed", "good lines refused"))
        shares = (f"{one['wrong']} of {one['lines']}" for one in (passed, refused))
        what = f"lines of a second author, {language}, at first sight: breaches passed, good lines refused"
        yield what, ", ".join(shares), "[check](commands/check.md)"
    for language in ("English", "Chinese"):
        told = found["classifier"]
        by_three = [told["authors left out"][f"compliance_{author}, {language}"] for author in "abc"]
        never = [told["author never seen"][f"compliance_d, test, {language}"]]
        for whose, parts in (("an author never seen", never), ("three authors, each left out", by_three)):
            cells = [[sum(part[key][n] for part in parts) for n in ("wrong", "lines")] for key in _READ]
            what = f"lines of {whose}, {language}: breaches passed by rules, by rules and flags; good lines flagged"
            yield what, ", ".join(f"{wrong} of {lines}" for wrong, lines in cells), "[check](commands/check.md)"
    for name, world in _read("attacks").items():
        resisted, of = world["resisted"], world["resisted"]["of"]
        counts = (f"{resisted[way] * of:.0f} of {of}" for way in ("filtered", "unfiltered"))
        yield (
            f"attacks on the reward resisted, with the rules and without: {name}",
            ", ".join(counts),
            f"`{world['command']}`",
        )


def _read(name: str) -> dict[str, Any]:
    return json.loads((DOCS / "evidence" / "results" / f"{name}.json").read_text(encoding="utf-8"))


def with_table(page: str) -> str:
    """The page with the table of today."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
