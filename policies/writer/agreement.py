"""Verbs agree with what they are said of: the shears keep, the rake keeps.

A writer leaves the name of a thing to its prompt (see `placeholders.py`) and cannot see whether that is
of one or several.
"""

import re

IRREGULAR = {
    "is": "are",
    "was": "were",
    "has": "have",
    "does": "do",
    "goes": "go",
    "lies": "lie",
    "ties": "tie",
    "unties": "untie",
}
"""Of several by of one; other verbs lose an s."""
_COMMON = """
answer are arrive ask become beep belong bend bite blend break bring burn carry catch change charge clear climb come
connect count cover crumble deserve dim disappear do draw drive dry earn ease eat end explain feed feel fill find
finish fit fold follow forgive gather get give glide go grip grow hang happen have hide hold hum invite keep know land
lather learn leave let lie lift listen look loosen make measure melt mend move need pack pay play please pour pull put
reach read remember rescue reward ride rinse rock roll run save seat see send serve sharpen shout show shrug sink sit
skip slice slide slip smell snap soften speak stand start stay step stick stop stretch suit survive swallow swap sweep
take taste teach tell throw tie train travel turn undo untie wait wake walk want wash wear weather weigh were wipe
work write
"""
COMMON = frozenset(_COMMON.split())
"""Verbs of several that nothing else follows a thing's name as: neither adjectives (`calm`) nor `like`."""
_OF_ONE = {many: one for one, many in IRREGULAR.items()}
_SUBJECT = re.compile(
    r"((?:^|[.?!:,;] |\b(?:because|when|if|while|since) )(?:(?:the|our|your|an?) )?\{\{(?:title|noun)\}\} (?!that )"
    r"|\{\{(?:title|noun)\}\} that )([a-z]+)(?![\w'])",
    re.IGNORECASE,
)
"""Where a thing is what a verb is said of, and the verb."""


def of_several(verb: str) -> str:
    """`keep` of `keeps`; a word that does not end as verbs of one do stays."""
    if verb in IRREGULAR:
        return IRREGULAR[verb]
    if verb.endswith("ies"):
        return f"{verb[:-3]}y"
    if re.search(r"(ss|sh|ch|x|zz|o)es$", verb):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


def of_one(verb: str) -> str:
    """`keeps` of `keep`."""
    if verb in _OF_ONE:
        return _OF_ONE[verb]
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ies"
    return f"{verb}es" if re.search(r"(ss|sh|ch|x|zz|o)$", verb) else f"{verb}s"


def agreeing(template: str, several: bool) -> str:
    """A text whose placeholder for the thing stands for one or for several, with the verb after it made to agree."""

    def one(match: re.Match[str]) -> str:
        before, verb = match.groups()
        if several:
            return before + (of_several(verb) if of_several(verb) in COMMON else verb)
        return before + (of_one(verb) if verb in COMMON else verb)

    return _SUBJECT.sub(one, template)
