"""Fatigue and mood: how what a user remembers bends the odds of a click. What is remembered is kept in `lookup.py`."""

from typing import Any


def saturating(level: Any) -> Any:
    """x / (1 + |x|), of a tensor or a numpy array: what is remembered counts less and less, and within -1 and 1.

    Times the scenario's `fatigue` it is the log-odds that a creative has lost with a user; by category, what recent
    clicks and looks have moved the user's interest.
    """
    return level / (1 + abs(level))
