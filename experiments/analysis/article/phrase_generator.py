"""A generator that is small enough for a thousand rounds in seconds: a softmax over a bank of texts."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Bank:
    """Texts by product: [P, K] indices into n texts, and which of them are there."""

    index: Tensor
    there: Tensor

    @classmethod
    def of(cls, product: Tensor, products: int) -> "Bank":
        """Of the product of each of n texts; every product needs one."""
        rows = [(product == p).nonzero().flatten() for p in range(products)]
        most = max(len(row) for row in rows)
        index = torch.stack([torch.nn.functional.pad(row, (0, most - len(row))) for row in rows])
        there = torch.stack([torch.arange(most) < len(row) for row in rows])
        return cls(index, there)


def probabilities(weights: Tensor, features: Tensor, bank: Bank) -> Tensor:
    """P_G(y | x): [S, P, K] for a user's segment and a product, linear in the text's features.

    Args:
        weights: [1 + S, d]: shared, and each segment's own.
        features: [n, d].
        bank: which texts a product has.
    """
    scores = features @ (weights[:1] + weights[1:]).T
    return scores[bank.index].movedim(-1, 0).masked_fill(~bank.there, -torch.inf).softmax(-1)


def kept_diversity(chance: Tensor, likeness: Tensor, even: Tensor) -> Tensor:
    """Rao's quadratic entropy of what is generated, relative to that of the even distribution.

    The chance that two texts for one prompt differ, weighted by how much (Rao, Theoretical Population Biology 21,
    1982). It stands where the article has log sum_j P_G(y_j | x), which is zero whatever G is.

    Args:
        chance: [B, K].
        likeness: [B, K, K] cosine similarities.
        even: [B, K].
    """

    def spread(p: Tensor) -> Tensor:
        return 1 - torch.einsum("bi,bij,bj->b", p, likeness, p)

    return spread(chance) / spread(even).clamp(min=1e-6)


def train_generator(
    worth: Tensor,
    features: Tensor,
    vectors: Tensor,
    bank: Bank,
    segment: Tensor,
    generator: torch.Generator,
    *,
    effect: float,
    diversity: float,
    rounds: int,
    learning_rate: float,
    batch: int = 64,
) -> Tensor:
    """Maximises effect plus diversity, weighted, by Adam; the expectation over texts is exact.

    Args:
        worth: [S, n] what the effect model promises of a text for a segment, standardised within products.
        features: [n, d] what the generator sees of texts.
        vectors: [n, e] unit vectors that likeness is taken from.
        bank: which texts a product has.
        segment: [U] of the users; each round draws `batch` of them, and a product for each.
        generator: draws them.
        effect: weight of the effect.
        diversity: weight of the diversity.
        rounds: steps.
        learning_rate: of Adam.
        batch: users a round.

    Returns:
        [1 + S, d] weights for `probabilities`.
    """
    weights = torch.zeros(1 + len(worth), features.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=learning_rate)
    likeness = vectors[bank.index] @ vectors[bank.index].transpose(1, 2)
    even = bank.there / bank.there.sum(1, keepdim=True)
    for _ in range(rounds):
        who = segment[torch.randint(len(segment), (batch,), generator=generator)]
        what = torch.randint(len(bank.index), (batch,), generator=generator)
        chance = probabilities(weights, features, bank)[who, what]
        gain = (chance * worth[who[:, None], bank.index[what]]).sum(1)
        kept = kept_diversity(chance, likeness[what], even[what])
        optimizer.zero_grad()
        (-(effect * gain + diversity * kept).mean()).backward()
        optimizer.step()
    return weights.detach()


def sample_texts(chance: Tensor, bank: Bank, generator: torch.Generator) -> Tensor:
    """[S * P] indices of texts, one drawn for each segment and product."""
    drawn = torch.multinomial(chance.flatten(0, 1), 1, generator=generator)
    return bank.index.repeat(len(chance), 1).gather(1, drawn).flatten()


def standardised(values: Tensor, bank: Bank, product: Tensor) -> Tensor:
    """[S, n] values less their product's mean, over the deviation of what is left."""
    grid, there = values[:, bank.index], bank.there
    mean = (grid * there).sum(-1) / there.sum(-1)
    left = values - mean[:, product]
    return left / left.std().clamp(min=1e-6)
