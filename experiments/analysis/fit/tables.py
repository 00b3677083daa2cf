"""A fit beside the log that it is held against: log-loss, CTR by group, conversions by delay."""

from typing import Any

import numpy as np
import pandas as pd

from ....simulation.calibration.evidence import Evidence, Floats
from ..statistics.intervals import wilson

HOURS = 3
"""Width of the groups of hours."""
DECILE = "decile of the fit"


def log_losses(clicked: Floats, rates: Floats, base_rate: float) -> dict[str, float]:
    """Mean log-loss of the fit, and of the base rate of the days before."""

    def loss(rate: Floats) -> float:
        rate = np.clip(rate, 1e-9, 1 - 1e-9)
        return float(-(clicked * np.log(rate) + (1 - clicked) * np.log1p(-rate)).mean())

    return {"log_loss": loss(rates), "log_loss_of_base_rate": loss(np.full(len(clicked), base_rate))}


def compared(evidence: Evidence, rates: Floats) -> pd.DataFrame:
    """CTR as fitted beside the log's with its 95% interval (Wilson), by position, channel, segment, hour and decile.

    Returns:
        A row a group: by, group, rows, clicks, low, high, fitted, inside.
    """
    segment = evidence.segment_of[evidence.user]
    decile = pd.qcut(rates, 10, labels=False, duplicates="drop") if len(rates) >= 10 else np.zeros(len(rates))
    groups: dict[str, Any] = {
        "position": evidence.position + 1,
        "channel": np.array(evidence.channels)[evidence.channel],
        "segment": np.array(evidence.segments)[segment],
        DECILE: np.asarray(decile) + 1,
    }
    if evidence.clock is not None:
        first = (evidence.clock // HOURS).astype(int) * HOURS
        groups["hours of the day"] = [f"{hour:02d} to {hour + HOURS:02d}" for hour in first]
    parts = []
    for by, group in groups.items():
        frame = pd.DataFrame({"group": group, "clicks": evidence.clicked, "fitted": rates})
        table = frame.groupby("group").agg(rows=("clicks", "size"), clicks=("clicks", "sum"), fitted=("fitted", "mean"))
        parts.append(table.reset_index().assign(by=by, group=lambda found: found.group.astype(str)))
    frame = pd.concat(parts, ignore_index=True)
    frame["low"], frame["high"] = wilson(frame["clicks"].to_numpy(), frame["rows"].to_numpy())
    frame["inside"] = frame["fitted"].between(frame["low"], frame["high"])
    return frame[["by", "group", "rows", "clicks", "low", "high", "fitted", "inside"]]


def delays(evidence: Evidence, mean_hours: float, points: int = 12) -> pd.DataFrame:
    """Share of conversions that have come by so many hours after the click, of the log and by the fit.

    Of clicks that were watched for a while (four mean delays, at most half of the log), those conversions that came
    within it: neither is cut off by the log's end.

    Returns:
        A row an hour: hours, logged, low, high, fitted; none where the log has no delays.
    """
    columns = ["hours", "logged", "low", "high", "fitted"]
    if evidence.delay_hours is None or evidence.hours is None or evidence.read_at is None:
        return pd.DataFrame(columns=columns)
    watched = min(4 * mean_hours, (evidence.read_at - float(evidence.hours.min())) / 2)
    kept = (evidence.hours <= evidence.read_at - watched) & (evidence.delay_hours <= watched)
    found = evidence.delay_hours[kept]
    if not len(found):
        return pd.DataFrame(columns=columns)
    at = np.linspace(0, watched, points + 1)[1:]
    come = (found[:, None] <= at).sum(0).astype(np.float64)
    low, high = wilson(come, np.full(points, float(len(found))))
    fitted = np.expm1(-at / mean_hours) / np.expm1(-watched / mean_hours)
    return pd.DataFrame(dict(zip(columns, (at, come / len(found), low, high, fitted), strict=True)))
