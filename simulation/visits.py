"""Visits, and what came of what was shown: the data that world, agents and models hand each other.

Nothing else is imported here, so that an agent does not bring the world along.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Impressions:
    """B visits that each show a slate. Agents and models may see everything here but `moment`."""

    user: Tensor
    """[B] int64, index into the audience."""
    channel: Tensor
    """[B] int64, index into the scenario's channels."""
    query: Tensor
    """[B] int64, what is looked for (index into `Traffic.queries`), -1 for nothing."""
    hours: Tensor
    """[B] float64, hours since the world began."""
    context: Tensor
    """[B, d] float32, observed features: see `Traffic.context_names`."""
    moment: Tensor | None = None
    """[B] float32, log-odds of a click that the hour brings and competitors take; latent."""

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: Tensor | slice) -> "Impressions":
        return Impressions(**{name: value[rows] for name, value in vars(self).items() if value is not None})


@dataclass(frozen=True)
class Feedback:
    """What came of B slates of L creatives; all [B, L] but `impressions`."""

    impressions: Impressions
    slates: Tensor
    """int64, indices into the world's creatives."""
    clicked: Tensor
    """bool."""
    converted: Tensor
    """bool."""
    delay_hours: Tensor
    """float, from click to conversion; infinite where there is none."""
    propensities: Tensor | None = None
    """float, with which each slot's creative was chosen given the slots above, where it is known."""
    decisions: Tensor | None = None
    """[B] int64, the agent's number for each decision, where it is known."""
    looked: Tensor | None = None
    """bool, what was looked at; latent: no agent or model may read it."""

    def __getitem__(self, rows: Tensor | slice) -> "Feedback":
        given = {name: value[rows] for name, value in vars(self).items() if value is not None}
        return Feedback(**given)
