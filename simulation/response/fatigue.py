"""Fatigue and mood: how what a user remembers bends the odds of a click. What is remembered is kept in `lookup.py`."""

from torch import Tensor


def saturating(level: Tensor) -> Tensor:
    """x / (1 + |x|): what is remembered counts less and less, and within -1 and 1.

    Times the scenario's `fatigue` it is the log-odds that a creative has lost with a user; by category, what recent
    clicks and looks have moved the user's interest.
    """
    return level / (1 + level.abs())
