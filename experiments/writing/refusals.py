"""Which texts of a run a rule refuses, counted, with examples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ...policies.compliance.filter import Compliance
from ...simulation.data.catalog import Creative

EXAMPLES = 12
"""Refused texts that are told, of each rule in turn."""


def refusals(compliance: Compliance, parts: Mapping[str, Sequence[Creative]]) -> dict[str, Any]:
    """What summary.json and a checkpoint's compliance.json say of refused texts.

    Args:
        compliance: judges.
        parts: texts by whose they are, such as `untuned` and `tuned`.

    Returns:
        `parts` by name: `texts`, `refused`, and how many by which of `rules`, the commonest first; and `examples`, of
        all parts: `rule`, the words `said`, and the `text`.
    """
    told, examples = {}, {}
    for name, texts in parts.items():
        found = compliance.refusing(texts)
        rules = Counter(rule for broken in found for rule in broken)
        told[name] = {"texts": len(texts), "refused": sum(map(bool, found)), "rules": dict(rules.most_common())}
        for creative, broken in zip(texts, found, strict=True):
            for rule in broken:
                examples.setdefault(rule, {}).setdefault(creative.text, creative)
    turns = [list(texts.values())[i : i + 1] for i in range(EXAMPLES) for texts in examples.values()]
    shown = list(dict.fromkeys(creative for turn in turns for creative in turn))[:EXAMPLES]
    return {"parts": told, "examples": [_example(compliance, creative) for creative in shown]}


def _example(compliance: Compliance, creative: Creative) -> dict[str, str]:
    breach = next(breach for breach in compliance.check([creative])[0] if breach.severity == "refuse")
    return {"rule": breach.rule, "said": breach.said, "text": creative.text}


def share_refused(found: Mapping[str, Any]) -> str:
    """«tuned 0.4% (medical-disease 3, pressure 1)» for each part, separated by semicolons."""
    told = []
    for name, part in found["parts"].items():
        rules = ", ".join(f"{rule} {count:,}" for rule, count in part["rules"].items())
        told.append(f"{name} {part['refused'] / max(1, part['texts']):.1%}{f' ({rules})' if rules else ''}")
    return "; ".join(told)
