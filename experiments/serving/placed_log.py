"""A log of placement, in the format that people bring theirs in: what `offline` and `calibrate` read."""

import pandas as pd

from ...simulation.logs import log_frame
from ...simulation.world import Feedback, World
from .serve import Observer, Turn

LOGGED = 20_000
"""Visits that are kept."""


class PlacedLog(Observer):
    """The first visits of a placement, one row an impression-slot, with the probability of what was shown."""

    def __init__(self) -> None:
        """Starts empty."""
        self._world: World | None = None
        self._frames: list[pd.DataFrame] = []
        self._visits = 0

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        self._world = turn.world

    def answered(self, feedback: Feedback) -> None:
        """See `Observer.answered`."""
        feedback = feedback[: LOGGED - self._visits]
        if self._world is None or feedback.propensities is None or not len(feedback.slates):
            return
        self._frames.append(log_frame(self._world, feedback, feedback.propensities, self._visits))
        self._visits += len(feedback.slates)

    def __len__(self) -> int:
        return self._visits

    @property
    def table(self) -> pd.DataFrame:
        """All rows."""
        return pd.concat(self._frames, ignore_index=True)
