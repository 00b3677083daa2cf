"""Linear models that share what they learn across arms, by features of the arms such as what their texts say.

The worth of arm k with features z for context x is x'M z, M being d x f, shared; the hybrid model adds x'theta of the
arm (Li, Chu, Langford and Schapire, WWW 2010, algorithm 2, with the products of x and z as shared features).

All of it follows from the sums that the disjoint model keeps, G = sum theta x x' and r = sum r x of each arm, and so do
the marginal beliefs: x'V x with a d x d matrix V for each arm, scored as in the disjoint model.
"""

import torch
from torch import Tensor

from ...simulation.data.errors import InputError
from .linear import DisjointLinear, invert
from .posterior import Prior


def shared_precision(gram: Tensor, features: Tensor) -> Tensor:
    """Sum over arms of G x zz': [K, d, d], [K, f] -> [d f, d f], a context's place first."""
    d, f = gram.shape[1], features.shape[1]
    pairs = (features[:, :, None] * features[:, None]).flatten(1)
    return (gram.flatten(1).T @ pairs).view(d, d, f, f).permute(0, 2, 1, 3).reshape(d * f, d * f)


def through_features(covariance: Tensor, features: Tensor) -> Tensor:
    """Covariance of M z for each arm: [d f, d f], [K, f] -> [K, d, d]."""
    f = features.shape[1]
    d = len(covariance) // f
    pairs = (features[:, :, None] * features[:, None]).flatten(1)
    return (pairs @ covariance.view(d, f, d, f).permute(1, 3, 0, 2).reshape(f * f, d * d)).view(-1, d, d)


def arm_codes(start: int, n: int, size: int, device: torch.device) -> Tensor:
    """Features for arms of which nothing is known, [n, size]: a constant and signs fixed by the arm's number."""
    draw = torch.Generator().manual_seed(1)
    signs = torch.randint(0, 2, (start + n, size - 1), generator=draw)[start:] * 2.0 - 1.0
    return torch.cat([torch.ones(n, 1), signs / (size - 1) ** 0.5], 1).double().to(device)


class SharedLinear(DisjointLinear):
    """One ridge regression on products of context and arm features. Scores are drawn from their marginals."""

    def __init__(
        self, arms: int, width: int, device: torch.device, features: Tensor | int = 8, ridge: float = 1.0
    ) -> None:
        """Sets sizes.

        Args:
            arms: creatives.
            width: length of contexts, d.
            device: where the tables are.
            features: [arms, f] of each arm, a constant among them; or f, for arbitrary codes.
            ridge: prior precision of the weights.
        """
        size = features if isinstance(features, int) else features.shape[1]
        self.features = torch.zeros(0, size, dtype=torch.float64, device=device)
        super().__init__(0, width, device, ridge)
        self.add_arms(arms, features=None if isinstance(features, int) else features)

    def add_arms(self, n: int, prior: Prior | None = None, features: Tensor | None = None) -> None:
        """See `Model.add_arms`.

        Raises:
            InputError: features of another width than those before, or not finite.
        """
        size = self.features.shape[1]
        if features is None:
            features = arm_codes(len(self.features), n, size, self.device)
        if features.shape != (n, size) or not bool(features.isfinite().all()):
            raise InputError(f"features: expected finite [{n}, {size}], got {list(features.shape)}")
        self.features = torch.cat([self.features, features.to(self.features)])
        super().add_arms(n, prior)

    def belief(self, arms: Tensor) -> Prior | None:
        """None: what arms share is believed of every new one already."""
        return None

    def tensors(self) -> dict[str, Tensor]:
        """See `Model.tensors`."""
        return super().tensors() | {"features": self.features}

    def _recompute(self, arms: Tensor) -> None:
        """What one arm showed changes all of them."""
        super()._recompute(torch.arange(self.arms, device=self.device))

    def _solve(self, gram: Tensor, response: Tensor, prior: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        # A prior mean of an arm shifts what its rows are expected to show.
        unexplained = response - torch.einsum("kij,kj->ki", gram, prior)
        weights, covariance = self._shared(gram, unexplained)
        return through_features(covariance, self.features), self.features @ weights.T + prior

    def _refined(
        self, inverse: Tensor, gram: Tensor, response: Tensor, prior: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        """Nothing: what is believed of an arm does not follow from its own sums alone."""
        return None

    def _shared(self, gram: Tensor, response: Tensor) -> tuple[Tensor, Tensor]:
        """Shared weights [d, f] and their covariance [d f, d f]."""
        precision = shared_precision(gram, self.features)
        precision.diagonal().add_(self.ridge)
        covariance = invert(precision[None])[0]
        weights = covariance @ (response.T @ self.features).flatten()
        return weights.view(self.width, -1), covariance


class HybridLinear(SharedLinear):
    """Shared weights and weights of each arm's own, learned together."""

    def _solve(self, gram: Tensor, response: Tensor, prior: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        own = gram.clone()
        own.diagonal(dim1=1, dim2=2).add_(strength[:, None])
        inverse = invert(own)
        response = response - torch.einsum("kij,kj->ki", gram, prior)
        # What the arm's own weights leave to the shared ones: I - G A^-1 = s A^-1.
        left = strength[:, None, None] * inverse
        weights, covariance = self._shared(torch.bmm(left, gram), torch.bmm(left, response[:, :, None])[:, :, 0])
        shared = self.features @ weights.T
        rest = response - torch.einsum("kij,kj->ki", gram, shared)
        mean = shared + torch.einsum("kij,kj->ki", inverse, rest) + prior
        return inverse + left @ through_features(covariance, self.features) @ left, mean
