"""How tastes change with time: with the season, and all at once."""

import math

import torch
from torch import Tensor

from ..scenario import Scenario


class Drift:
    """What the whole audience's tastes have gained or lost at a time, by appeal; zero when the world begins."""

    def __init__(self, scenario: Scenario, device: torch.device) -> None:
        """Takes the scenario's season and shifts."""
        season, shifts, names = scenario.season, scenario.shifts, tuple(scenario.appeals)
        self._pulse = 2 * math.pi / season.period_hours
        self._season = torch.tensor([season.tastes.get(name, 0.0) for name in names], device=device)
        self._starts = torch.tensor([s.at_hours for s in shifts], dtype=torch.float64, device=device)
        steps = [[s.tastes.get(name, 0.0) for name in names] for s in shifts]
        self._steps = torch.tensor(steps, device=device).reshape(len(shifts), len(names))
        self.moves = bool(self._season.any() or self._steps.any())
        """Whether there is any."""

    def tastes(self, hours: Tensor) -> Tensor:
        """[B, K] change of tastes at [B] hours: season * sin(2 pi t / period) + the shifts that have happened."""
        season = torch.sin(self._pulse * hours).float()[:, None] * self._season
        return season + (hours[:, None] >= self._starts).float() @ self._steps
