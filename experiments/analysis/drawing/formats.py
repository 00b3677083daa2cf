"""Figures as people read them; intervals always beside their estimate."""

import math
from collections.abc import Sequence

from ..statistics.bootstrap import Interval

MINUS = "\N{MINUS SIGN}"


UNKNOWN = "not known"
"""What is said of a figure that is NaN, or null in summary.json: the data were too few to tell."""


def percent(share: float | None, digits: int = 1) -> str:
    """0.1234 -> '12.3%'."""
    return _told(share, f".{digits}%")


def gain(share: float | None, digits: int = 1) -> str:
    """0.1234 -> '+12.3%'."""
    return _told(share, f"+.{digits}%")


def number(value: float | None, digits: int = 2) -> str:
    """1234.567 -> '1,234.57'."""
    return _told(value, f",.{digits}f")


def gain_units(value: float | None) -> str:
    """'+0.42'."""
    return _told(value, "+,.2f")


def gain_range(interval: Interval) -> str:
    """'+4.1% to +9.0%'."""
    return _range(gain(interval["low"]), gain(interval["high"]))


def number_range(interval: Interval, digits: int = 4) -> str:
    """'0.0312 to 0.0350'."""
    return _range(number(interval["low"], digits), number(interval["high"], digits))


def gained(interval: Interval) -> str:
    """'+6.5% (+4.1% to +9.0%)'."""
    return f"{gain(interval['mean'])} ({gain_range(interval)})"


def ranged(interval: Interval, digits: int = 4) -> str:
    """'0.0331 (0.0312 to 0.0350)'."""
    return f"{number(interval['mean'], digits)} ({number_range(interval, digits)})"


def bracketed(interval: Interval, form: str) -> str:
    """For the terminal, '0.033 [0.031, 0.035]' for the form '.3f'; an interval that is not known is said to be."""
    low, high = interval["low"], interval["high"]
    bounds = UNKNOWN if _unknown(low) or _unknown(high) else f"{low:{form}}, {high:{form}}"
    return f"{UNKNOWN if _unknown(interval['mean']) else format(interval['mean'], form)} [{bounds}]"


def _unknown(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _told(value: float | None, form: str) -> str:
    return UNKNOWN if value is None or math.isnan(value) else format(value, form).replace("-", MINUS)


def _range(low: str, high: str) -> str:
    return UNKNOWN if UNKNOWN in (low, high) else f"{low} to {high}"


def seconds(value: float) -> str:
    """'42 s' or '3 min 5 s'."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def told_reasons(found: Sequence[Sequence[tuple[str, float]]]) -> list[str]:
    """Each text's reasons: "'Seven' +4.1%, (marks) -2.0%"."""
    return [", ".join(f"{name} {gain(value)}" for name, value in own) for own in found]
