"""Sections on which texts may be published: of a run that wrote them, and of `check`."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ....policies.compliance.rates import LANGUAGES
from ..drawing.formats import percent
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by

SHOWN = 200
"""Texts of `check` that its page lists."""
WORDS = "Words are read, not meaning: what passes is not thereby lawful, and some that is refused is harmless."


@told_by("refused")
def refused(run: RunFiles, found: Any) -> Section:
    """How many texts of a run are refused, by which rules, with examples."""
    parts: Mapping[str, Any] = found["parts"]
    text = [
        "The reward takes something off for a text that a rule refuses, none is chosen as long as another stands, and "
        f"of the tuned writer none is placed. {WORDS}"
    ]
    rows = [
        [
            _sentence(name),
            f"{part['texts']:,}",
            f"{part['refused']:,}",
            percent(part["refused"] / max(1, part["texts"])),
        ]
        for name, part in parts.items()
    ]
    rules = dict.fromkeys(rule for part in parts.values() for rule in part["rules"])
    by_rule = [[rule, *(f"{part['rules'].get(rule, 0):,}" for part in parts.values())] for rule in rules]
    tables = [Table("Texts that a rule refuses", ["Whose", "Texts", "Refused", "Share"], rows)]
    if rules:
        examples = [[one["text"], one["rule"], one["said"]] for one in found["examples"]]
        tables += [
            Table("By rule (a text may break several)", ["Rule", *map(_sentence, parts)], by_rule),
            Table("Refused, for example", ["Text", "Rule", "Words"], examples, prose=True),
        ]
    return Section("Refused texts", text, _alarms(found), tables=tables)


def _alarms(found: Mapping[str, Any]) -> list[str]:
    tuned, told = found["parts"]["tuned"], []
    if tuned["refused"]:
        told.append(
            f"{tuned['refused']:,} of {tuned['texts']:,} texts of the tuned writer are refused by a rule: for so many "
            "places there was no other."
        )
    if found.get("placed"):
        told.append(f"{found['placed']:,} refused texts were placed: too few others were left for the slots.")
    return told


def _sentence(name: str) -> str:
    return name[0].upper() + name[1:]


@told_by("verdicts")
def verdicts(run: RunFiles, counts: Any) -> Section | None:
    """What `check` says of each text."""
    if "broken" not in run.summary:
        return None
    table = run.table("checked.parquet", ["text", "verdict", "rule", "said", "remedy"])
    rows = [[word, f"{counts[name]:,}"] for name, word in _WORDS.items()]
    tables = [Table("Texts", ["Verdict", "Texts"], rows)]
    if broken := run.summary["broken"]:
        tables.append(Table("What was broken", ["Rule", "Times"], [[rule, f"{n:,}"] for rule, n in broken.items()]))
    wrong = table[table["verdict"] != "ok"].sort_values("verdict", ascending=False, kind="stable")
    likeness = wrong.get("breach_probability", pd.Series(math.nan, wrong.index))  # none where the run is an old one
    listed = [
        [r.text, _WORDS[r.verdict], r.rule, r.said, r.remedy, "" if math.isnan(p) else percent(p)]
        for r, p in zip(wrong.head(SHOWN).itertuples(index=False), likeness, strict=False)
    ]
    if listed:
        head = ["Text", "Verdict", "Rule", "Words", "Remedy", "Reads like a breach"]
        tables.append(Table("Texts and remedies", head, listed, prose=True))
    text = [_likeness(bounds)] if (bounds := run.summary.get("flagged_from")) else []
    more = len(wrong) - len(listed)
    text += [f"{more:,} more are in checked.csv."] if more > 0 else []
    return Section("Texts", text, tables=tables)


def _likeness(bounds: Mapping[str, float]) -> str:
    said = ", ".join(f"{percent(bounds[code])} ({name})" for code, name in LANGUAGES.items() if code in bounds)
    return f"A classifier flags what no rule refuses and reads like a breach from {said} on, and errs both ways."


_WORDS = {"refuse": "refused", "flag": "to look at", "ok": "passes"}
"""Verdicts in words."""
