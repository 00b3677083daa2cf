"""Linear agents: one ridge regression an arm (disjoint), scored as one matrix product."""

import torch
from torch import Tensor

from ..simulation.traffic import Impressions
from ..simulation.world import Feedback
from .agent import Decision, PlacementAgent, Worth, break_ties, top_candidates


def posterior_mean(inverse: Tensor, response: Tensor) -> Tensor:
    """A^-1 b for every arm: [K, d, d], [K, d] -> [K, d]."""
    return torch.einsum("kij,kj->ki", inverse, response)


def widths(contexts: Tensor, inverse: Tensor) -> Tensor:
    """sqrt(x' A^-1 x) for every context and arm, as one product: [B, d], [K, d, d] -> [B, K]."""
    outer = (contexts[:, :, None] * contexts[:, None]).flatten(1)
    return (outer @ inverse.flatten(1).T).clamp(min=0).sqrt()


class _Linear(PlacementAgent):
    """Keeps A = ridge I + sum theta x x' and b = sum r x of every arm, and A's inverse."""

    def __init__(
        self,
        arms: int,
        slots: int,
        generator: torch.Generator,
        worth: Worth,
        width: int,
        ridge: float = 1.0,
        scale: float = 0.3,
    ) -> None:
        """Sets sizes.

        Args:
            arms: creatives.
            slots: L.
            generator: on the agent's device.
            worth: what feedback is worth.
            width: length of contexts, d.
            ridge: prior precision of the weights.
            scale: multiplies the width in the bound (LinUCB's alpha) or the posterior deviation (LinTS).
        """
        super().__init__(arms, slots, generator)
        self.worth, self.width, self.ridge, self.scale = worth, width, ridge, scale
        self.precision, self.response = self._fresh(arms)
        self._refresh()

    def update(self, feedback: Feedback) -> None:
        """Adds what was shown; A's inverses are recomputed exactly for the arms shown."""
        slots = feedback.slates.shape[1]
        x = feedback.impressions.context.repeat_interleave(slots, dim=0)
        shown = feedback.slates.flatten()
        trials, rewards = self.worth.trials(feedback).flatten(), self.worth.rewards(feedback).flatten()
        arms, row = shown.unique(return_inverse=True)
        outer = torch.zeros(len(arms), self.width**2, device=self.device)
        outer.index_add_(0, row, (trials[:, None, None] * x[:, :, None] * x[:, None]).flatten(1))
        self.precision[arms] += outer.view(-1, self.width, self.width)
        self.response.index_add_(0, shown, rewards[:, None] * x)
        self.inverse[arms] = _invert(self.precision[arms])
        self.mean[arms] = posterior_mean(self.inverse[arms], self.response[arms])

    def add_arms(self, n: int) -> None:
        """New arms start from the prior."""
        super().add_arms(n)
        precision, response = self._fresh(n)
        self.precision, self.response = torch.cat([self.precision, precision]), torch.cat([self.response, response])
        self._refresh()

    def state_dict(self) -> dict[str, Tensor]:
        """Precision and response."""
        return {"precision": self.precision, "response": self.response}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """See `PlacementAgent.load_state_dict`."""
        super().load_state_dict(state)
        self._refresh()

    def _fresh(self, n: int) -> tuple[Tensor, Tensor]:
        prior = self.ridge * torch.eye(self.width, device=self.device).repeat(n, 1, 1)
        return prior, torch.zeros(n, self.width, device=self.device)

    def _refresh(self) -> None:
        self.inverse = _invert(self.precision)
        self.mean = posterior_mean(self.inverse, self.response)


class LinUCB(_Linear):
    """Disjoint LinUCB (Li, Chu, Langford and Schapire, "A contextual-bandit approach", WWW 2010, algorithm 1)."""

    def act(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """The candidates of highest upper bound; equal ones in random order."""
        x = impressions.context
        bound = x @ self.mean[candidates].T + self.scale * widths(x, self.inverse[candidates])
        return Decision(top_candidates(break_ties(bound, self.generator), candidates, self.slots), None)


class LinTS(_Linear):
    """Linear Thompson sampling (Agrawal and Goyal, ICML 2013), drawn in score space.

    The score of an arm under weights drawn from N(mean, scale^2 A^-1) is itself normal, with mean x'mean and deviation
    scale * sqrt(x' A^-1 x): one normal a score replaces d normals an arm, and visitors of one batch draw independently.
    """

    def act(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """The candidates of highest drawn score."""
        x = impressions.context
        mean, deviation = x @ self.mean[candidates].T, self.scale * widths(x, self.inverse[candidates])
        draw = torch.randn(mean.shape, generator=self.generator, device=self.device)
        return Decision(top_candidates(mean + deviation * draw, candidates, self.slots), None)


def _invert(precision: Tensor) -> Tensor:
    return torch.cholesky_inverse(torch.linalg.cholesky(precision))
