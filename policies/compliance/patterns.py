"""Regular expressions that people bring: compiled once, and none that can take time without bound."""

import re

QUANTIFIERS = "*+{"
LONGEST = 2000
"""Characters of one pattern of a user."""


def nested(pattern: str) -> bool:
    """Whether a repeated group holds another repetition or a choice, as in (a+)+ or (a|ab)*.

    Such patterns may backtrack exponentially (Weideman et al., "Analyzing matching time behavior", CIAA 2016).
    """
    # Escapes and character classes hold no operators.
    plain = re.sub(r"\[\^?\]?(?:\\.|[^\]\\])*\]", "x", re.sub(r"\\.", "x", pattern))
    open_groups: list[bool] = []
    for place, mark in enumerate(plain):
        if mark == "(":
            open_groups.append(False)
        elif mark == ")" and open_groups:
            risky = open_groups.pop()
            if risky and plain[place + 1 : place + 2] in tuple(QUANTIFIERS):
                return True
            if risky and open_groups:
                open_groups[-1] = True
        elif (mark in QUANTIFIERS or mark == "|") and open_groups:
            open_groups[-1] = True
    return False


def fault(pattern: str) -> str:
    """What is wrong with a user's pattern; empty where nothing is."""
    if len(pattern) > LONGEST:
        return f"the pattern has {len(pattern)} characters; split it, {LONGEST} are the most"
    if nested(pattern):
        return f"the pattern '{pattern}' repeats a repetition or a choice; take the outer one away"
    try:
        empty = re.compile(pattern).search("")
    except re.error as error:
        return f"the pattern '{pattern}' is no regular expression ({error}); correct it"
    return f"the pattern '{pattern}' fits an empty text; ask for a word" if empty else ""
