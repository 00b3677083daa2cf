"""Figures as people read them; intervals always beside their estimate."""

from ..statistics.bootstrap import Interval

MINUS = "\N{MINUS SIGN}"


def percent(share: float, digits: int = 1) -> str:
    """0.1234 -> '12.3%'."""
    return f"{share:.{digits}%}".replace("-", MINUS)


def gain(share: float, digits: int = 1) -> str:
    """0.1234 -> '+12.3%'."""
    return f"{share:+.{digits}%}".replace("-", MINUS)


def number(value: float, digits: int = 2) -> str:
    """1234.567 -> '1,234.57'."""
    return f"{value:,.{digits}f}".replace("-", MINUS)


def gain_units(value: float) -> str:
    """'+0.42'."""
    return ("+" if value >= 0 else "") + number(value)


def gain_range(interval: Interval) -> str:
    """'+4.1% to +9.0%'."""
    return f"{gain(interval['low'])} to {gain(interval['high'])}"


def number_range(interval: Interval, digits: int = 4) -> str:
    """'0.0312 to 0.0350'."""
    return f"{number(interval['low'], digits)} to {number(interval['high'], digits)}"


def seconds(value: float) -> str:
    """'42 s' or '3 min 5 s'."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"
