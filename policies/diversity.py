"""Diversity of texts, as pure functions of vectors or strings."""

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor


def novelty(vectors: Tensor, group: Tensor, valid: Tensor) -> Tensor:
    """How far each text lies from the other valid texts of its group: 1 - mean cosine.

    Args:
        vectors: [n, d] unit vectors.
        group: [n] int, the prompt each text answers.
        valid: [n] bool; texts that are not valid score 0 and count for nobody.

    Returns:
        [n] in [0, 2]; a valid text alone in its group scores 0, as there is nothing to differ from.
    """
    pair = (group[:, None] == group[None]) & valid[:, None] & valid[None]
    pair = pair & ~torch.eye(len(group), dtype=torch.bool, device=group.device)
    others = pair.sum(1)
    distance = ((1 - vectors @ vectors.T) * pair).sum(1)
    return torch.where(others > 0, distance / others.clamp(min=1), torch.zeros_like(distance))


def nearest_novelty(vectors: Tensor, valid: Tensor, k: int = 3) -> Tensor:
    """How far each text lies from those of all valid texts that are most like it: 1 - mean of the k largest cosines.

    One phrase put to use for every product is novel to each prompt by itself, and not at all to the writer's readers.

    Args:
        vectors: [n, d] unit vectors.
        valid: [n] bool; texts that are not valid score 0 and count for nobody.
        k: neighbours; all of them where there are fewer.

    Returns:
        [n] in [0, 2]; a valid text alone scores 0.
    """
    cosine = vectors @ vectors.T
    pair = valid[:, None] & valid[None] & ~torch.eye(len(valid), dtype=torch.bool, device=valid.device)
    near = cosine.masked_fill(~pair, -torch.inf).topk(min(k, len(valid)), dim=1).values
    counted = near.isfinite()
    distance = torch.where(counted, 1 - near, 0.0).sum(1)
    return distance / counted.sum(1).clamp(min=1)


def vendi(vectors: Tensor) -> float:
    """Vendi score: the effective number of different texts.

    exp of the entropy of the eigenvalues of K / n, K the cosine similarities (Friedman and Dieng, "The Vendi Score",
    TMLR 2023). 1 when all are the same, n when all are orthogonal.

    Args:
        vectors: [n, d] unit vectors.
    """
    n, d = vectors.shape
    kernel = vectors.double().T @ vectors.double() if d < n else vectors.double() @ vectors.double().T
    share = torch.linalg.eigvalsh(kernel / n).clamp(min=0)
    share = share / share.sum()
    return float(torch.exp(torch.special.entr(share).sum()))


def distinct(token_lists: Sequence[Sequence[str]], n: int = 2) -> float:
    """Distinct-n: different n-grams over all n-grams (Li et al., NAACL 2016); 0 if there is none."""
    grams = [tuple(tokens[i : i + n]) for tokens in token_lists for i in range(len(tokens) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def compression_ratio(texts: Sequence[str]) -> float:
    """Bytes over zlib-compressed bytes of the joined texts: the more they repeat each other, the higher
    (Shaib et al., "Standardizing the measurement of text diversity", 2024).
    """
    joined = "\n".join(texts).encode()
    return len(joined) / len(zlib.compress(joined, 9)) if joined else 1.0
