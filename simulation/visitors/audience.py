"""The users: who they are (latent) and what a site has seen of them (observed)."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..scenario import Scenario, Weights

TASTE_SPREAD, INTEREST_SPREAD = 0.4, 0.8
"""Standard deviations of users' tastes and interests about their segment's."""


@dataclass(frozen=True)
class Audience:
    """U users in tensors on one device. Latent fields drive the world; agents and models see the observed ones."""

    segments: tuple[str, ...]
    segment: Tensor
    """[U] int64, index into `segments`; observed."""
    browsing: Tensor
    """[U, C] float, page views by category so far; observed."""
    purchases: Tensor
    """[U, C] float, purchases by category so far; observed."""
    tastes: Tensor
    """[U, K] float, pull of each appeal; latent."""
    interest: Tensor
    """[U, C] float, pull of each category; latent."""
    price_sensitivity: Tensor
    """[U] float, loss of conversion logit per unit of log price; latent."""
    activity: Tensor
    """[U] float, how often a user comes, relative to others; latent."""

    def __len__(self) -> int:
        return len(self.segment)

    def __getitem__(self, users: Tensor) -> "Audience":
        """Some users, by their indices."""
        return replace(self, **{name: v[users] for name, v in vars(self).items() if isinstance(v, Tensor)})

    def to(self, device: torch.device | str) -> "Audience":
        """The same audience on another device."""
        return replace(self, **{name: v.to(device) for name, v in vars(self).items() if isinstance(v, Tensor)})

    def in_no_order(self) -> "Audience":
        """The same users by segment and how often they come, so that where one stands tells nothing of where they came
        from.
        """
        order = self.activity.argsort(stable=True)
        return self[order[self.segment[order].argsort(stable=True)]]


def generate_audience(
    scenario: Scenario, categories: tuple[str, ...], users: int, generator: torch.Generator
) -> Audience:
    """Draws users from the scenario's segments.

    Args:
        scenario: its segments give shares and mean tastes, interests and price sensitivities.
        categories: of the catalog, in its order.
        users: how many, U.
        generator: on the CPU; the same seed gives the same users on every device.
    """
    kinds = list(scenario.segments.values())
    segment = torch.multinomial(torch.tensor([k.share for k in kinds]), users, replacement=True, generator=generator)

    def around(means: list[list[float]], spread: float) -> Tensor:
        mean = torch.tensor(means)[segment]
        return mean + spread * torch.randn(mean.shape, generator=generator)

    tastes = around([_row(kind.tastes, tuple(scenario.appeals)) for kind in kinds], TASTE_SPREAD)
    interest = around([_row(kind.interests, categories) for kind in kinds], INTEREST_SPREAD)
    price_sensitivity = around([[kind.price_sensitivity] for kind in kinds], 0.3).squeeze(1)
    browsing = torch.poisson(3.0 * interest.exp(), generator=generator)
    purchases = torch.binomial(browsing, torch.full_like(browsing, 0.1), generator=generator)
    activity = (0.7 * torch.randn(users, generator=generator)).exp()
    return Audience(
        tuple(scenario.segments), segment, browsing, purchases, tastes, interest, price_sensitivity, activity
    )


def _row(weights: Weights, names: tuple[str, ...]) -> list[float]:
    return [weights.get(name, 0.0) for name in names]
