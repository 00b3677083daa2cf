"""Diversity of texts, as pure functions of vectors or strings."""

import math
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence

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


def vendi_gain(vectors: Tensor, kept: Tensor) -> Tensor:
    """What one more text like each would do for the log of the Vendi score of m kept ones, times m and but for a
    constant: -x' log(C) x, the derivative of the entropy of C = K' K / m. A direction that no kept text has counts as
    one that the new text has by itself.

    Args:
        vectors: [n, d] unit vectors.
        kept: [m, d] unit vectors.

    Returns:
        [n], from 0, where all kept texts are like it, to log(m + 1), where none is; 0 where none is kept.
    """
    if not len(kept):
        return torch.zeros(len(vectors), dtype=vectors.dtype, device=vectors.device)
    m, double = len(kept), kept.double()
    if m < kept.shape[1]:
        _, values, axes = torch.linalg.svd(double, full_matrices=False)
        share, axes = values.square() / m, axes.T
    else:
        share, axes = torch.linalg.eigh(double.T @ double / m)
    # What lies along an axis saves some of what a direction of its own would bring, log(m + 1).
    saved = (share * (m + 1)).clamp(min=1).log().to(vectors.dtype)
    return math.log(m + 1) - ((vectors @ axes.to(vectors.dtype)).square() * saved).sum(1)


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


def self_bleu(token_lists: Sequence[Sequence[str]], n: int = 4) -> float:
    """Mean BLEU of each text against all others (Zhu et al., "Texygen", SIGIR 2018): the more alike, the higher.

    Precisions that are zero count as 0.1 over the number of n-grams (smoothing method 1 of Chen and Cherry, WMT 2014).

    Args:
        token_lists: texts; with fewer than two there is nothing to compare, and the score is 0.
        n: longest n-gram.
    """
    texts = [list(tokens) for tokens in token_lists if tokens]
    if len(texts) < 2:
        return 0.0
    counts = [[Counter(_grams(tokens, k)) for tokens in texts] for k in range(1, n + 1)]
    most = [_most_elsewhere(of_order) for of_order in counts]
    lengths = sorted(len(tokens) for tokens in texts)
    scores = []
    for i, tokens in enumerate(texts):
        logs = []
        for of_order, elsewhere in zip(counts, most, strict=True):
            total = sum(of_order[i].values())
            hits = sum(min(count, elsewhere(gram, count)) for gram, count in of_order[i].items())
            logs.append(math.log((hits or 0.1) / max(total, 1)))
        scores.append(_brevity(len(tokens), lengths) * math.exp(sum(logs) / n))
    return sum(scores) / len(scores)


def _grams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def _most_elsewhere(counts: Sequence[Counter]) -> Callable[[tuple[str, ...], int], int]:
    """A function of an n-gram and a text's own count of it: the largest count in any other text."""
    top: dict[tuple[str, ...], list[int]] = {}
    for of_text in counts:
        for gram, count in of_text.items():
            top[gram] = sorted([count, *top.get(gram, [0, 0])], reverse=True)[:2]
    return lambda gram, own: top[gram][1] if top[gram][0] == own else top[gram][0]


def _brevity(length: int, lengths: list[int]) -> float:
    """BLEU's penalty for texts shorter than the closest of the others; `lengths` are sorted and hold its own once."""
    at = bisect_left(lengths, length)
    others = lengths[max(0, at - 1) : at] + lengths[at + 1 : at + 2]
    closest = min(others, key=lambda other: (abs(other - length), other))
    return 1.0 if length >= closest else math.exp(1 - closest / length)
