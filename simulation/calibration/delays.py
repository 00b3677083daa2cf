"""Conversions that have not come yet: eventual rate and mean delay by maximum likelihood under censoring.

Chapelle, "Modeling delayed feedback in display advertising", KDD 2014, with a constant delay rate, by expectation and
maximisation: a click with no conversion after a hours will still convert with probability
p e^-a/d / (1 - p + p e^-a/d).
"""

import numpy as np

from .evidence import Floats


def still_to_come(rate: Floats, age: Floats, mean_delay: float) -> Floats:
    """[n] P(converts later | has not after `age` hours), where `rate` convert in the end."""
    waiting = rate * np.exp(-age / mean_delay)
    return waiting / (1 - rate + waiting)


def mean_delay(delays: Floats, age: Floats, waiting: Floats) -> tuple[float, float]:
    """Mean delay and its standard error.

    Args:
        delays: [m] hours of the conversions seen.
        age: [n] hours that the clicks without one have been watched.
        waiting: [n] P(converts later) of each.
    """
    seen, extra = len(delays), float(waiting.sum())
    mean = (delays.sum() + waiting @ age) / seen
    # Information of seen delays in log d is their number, less what is not known of those still waiting.
    ages = age / mean
    lost = float((waiting * (1 - waiting) * np.square(ages)).sum())
    return float(mean), float(mean / np.sqrt(max(seen - lost, 1.0))) if extra >= 0 else float("nan")
