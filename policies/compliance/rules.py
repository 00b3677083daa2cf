"""Rules as data: the built-in ones of `rules.yaml`, and those of a user's own file, which add or switch off."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from ...simulation.data.errors import InputError
from .patterns import fault

Kind = Literal[
    "banned", "medical", "financial", "comparative", "personal", "profanity", "trademark", "pressure", "spam",
    "unsupported", "platform", "own", "likeness",
]  # fmt: skip
Severity = Literal["refuse", "flag"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CHOICES: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "severity": get_args(Severity),
    "unless": ("", "fields", "brand"),
    "check": ("", "raw", "profanity"),
}
LEARNED = "learned"
"""The `check` of a built-in rule that has no patterns: a classifier flags, see `Compliance.read`."""
NEEDED = ("id", "says", "patterns")
BUILT_IN, NONE = "built-in", "none"
"""What may stand in the place of a user's file of rules."""
ALLOWED = {*NEEDED, *CHOICES, "languages", "source"}


@dataclass(frozen=True)
class Rule:
    """One thing that may not be said."""

    id: str
    kind: Kind
    says: str
    """What to do, for a person."""
    pattern: re.Pattern[str]
    severity: Severity = "refuse"
    languages: tuple[str, ...] = ("en", "zh")
    unless: str = ""
    """Who may say it: a product whose `fields` hold the words, or whose `brand` or title does."""
    check: str = ""
    """What is read: the folded text, the `raw` one, or (`profanity`) the folded one without digits for letters; where a
    classifier reads, `learned`."""
    source: str = ""


@cache
def built_in() -> tuple[Rule, ...]:
    """The rules that ship."""
    path = Path(__file__).parent / "rules.yaml"
    known = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tuple(_rule(facts, path, known["words"]) for facts in known["rules"])


def rules_of(rules: str) -> tuple[Rule, ...]:
    """The rules of a name: `built-in`, `none`, or a user's file beside the built-in ones.

    Of a file, `rules` are added, and those whose id is in `switch_off` are left out.

    Raises:
        InputError: the file is missing or no YAML, a rule lacks a part or has one too many, its pattern is no regular
            expression or could take for ever, or `switch_off` names a rule that is not there.
    """
    if rules in (BUILT_IN, NONE):
        return built_in() if rules == BUILT_IN else ()
    own = Path(rules)
    known = _read(own)
    off, ids = known.get("switch_off") or [], [rule.id for rule in built_in()]
    if not isinstance(off, list) or any(name not in ids for name in off):
        raise InputError(f"{own}: switch_off: {off} is no list of built-in rules; they are {', '.join(ids)}")
    added = known.get("rules") or []
    if not isinstance(added, list):
        raise InputError(f"{own}: 'rules' is no list; begin each rule with '- id:'")
    kept = [rule for rule in built_in() if rule.id not in off]
    for number, facts in enumerate(added, start=1):
        _refuse(facts, f"{own}: rule {number}")
        if facts["id"] in [rule.id for rule in kept]:
            raise InputError(f"{own}: rule '{facts['id']}' is there already; give it another id")
        kept.append(_rule(facts, own, {}))
    return tuple(kept)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a YAML file of rules")
    try:
        known = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as YAML ({reason}); correct it") from None
    if not isinstance(known, dict) or set(known) - {"rules", "switch_off"}:
        raise InputError(f"{path}: holds something else than 'rules' and 'switch_off'; keep to these two")
    return known


def _refuse(facts: Any, where: str) -> None:
    """Refuses what is no rule."""
    if not isinstance(facts, dict):
        raise InputError(f"{where}: is no rule; give it {', '.join(NEEDED)}")
    where = f"{where} ('{facts.get('id', 'without id')}')"
    if missing := [name for name in NEEDED if not facts.get(name)]:
        raise InputError(f"{where}: lacks {', '.join(missing)}; add it")
    if unknown := sorted(map(str, set(facts) - ALLOWED)):
        raise InputError(f"{where}: has no part {', '.join(unknown)}; take it away")
    for name, choices in CHOICES.items():
        if facts.get(name, choices[0]) not in choices:
            raise InputError(
                f"{where}: {name}: '{facts[name]}' is none of {', '.join(filter(None, choices))}; correct it"
            )
    languages = facts.get("languages", ["en"])
    if not isinstance(languages, list) or not languages or any(one not in ("en", "zh") for one in languages):
        raise InputError(f"{where}: languages: {languages} is no list of en and zh; correct it")
    patterns = facts["patterns"]
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise InputError(f"{where}: patterns is no list of texts; write ['...']")
    if wrong := next(filter(None, map(fault, patterns)), ""):
        raise InputError(f"{where}: {wrong}")


def _spelled_out(pattern: str, words: dict[str, str]) -> str:
    """A pattern with the words that stand for others in their place, and those that stand in these."""
    while (found := re.sub(r"\b[A-Z]{5,}\b", lambda name: words.get(name[0], name[0]), pattern)) != pattern:
        pattern = found
    return pattern


def _rule(facts: dict[str, Any], source: Path, words: dict[str, str]) -> Rule:
    languages = tuple(facts.get("languages", ("en", "zh")))
    bodies = [_spelled_out(one, words) for one in facts["patterns"]]
    raw = facts.get("check") == "raw"
    # English words have borders, Chinese have none. The borders stand once, outside: so where no word begins, nothing
    # more is tried.
    whole_words, signs = [], []
    for one in bodies:
        (signs if raw or not one.isascii() else whole_words).append(f"(?:{one})")
    whole = [rf"(?<![a-z\d])(?:{'|'.join(whole_words)})(?![a-z\d])"] if whole_words else []
    body = "|".join([*whole, *signs])
    try:
        pattern = re.compile(body)
    except re.error as error:
        raise InputError(
            f"{source}: rule '{facts['id']}': its patterns do not go together ({error}); correct them"
        ) from None
    rest = {name: facts[name] for name in ("severity", "unless", "check", "source") if name in facts}
    return Rule(str(facts["id"]), facts.get("kind", "own"), str(facts["says"]), pattern, languages=languages, **rest)
