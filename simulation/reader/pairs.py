"""What common words are, and what they lead to: two vectors a word, whose products say how well words follow."""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor


def pair_vectors(
    lines: Sequence[Sequence[str]], vocabulary: Sequence[str], vectors: Tensor, width: int
) -> tuple[Tensor, Tensor]:
    """Canonical correlations of the vectors of neighbouring words (Hotelling, Biometrika 1936).

    A word's vector in a language model knows what kind of word it is, whether or not it stands in these lines; which
    kinds follow each other the lines know. The directions in which a word's vector tells the next one's, the best
    first, are those of CCA; what a word leads to, times what the next one is, sums to how well the two go together.

    Args:
        lines: clean lines, cut to words.
        vocabulary: V common words.
        vectors: [V, D] theirs.
        width: directions that are kept, at most D.

    Returns:
        What words are and what they lead to, each [V, width], numbers of about one.
    """
    number = {word: i for i, word in enumerate(vocabulary)}
    places = [[number.get(word, -1) for word in line] for line in lines]
    pairs = np.array([(a, b) for line in places for a, b in itertools.pairwise(line) if min(a, b) >= 0])
    # A pair that stands in every line of a template counts for little more than one of ten lines.
    counts = csr_matrix((np.ones(len(pairs)), pairs.T), shape=(len(vocabulary), len(vocabulary)))
    counts.data = np.minimum(counts.data, 30.0)
    weights = [np.asarray(counts.sum(axis)).ravel() / counts.sum() for axis in (1, 0)]
    x = vectors.double().numpy()
    left, right = (x - weight @ x for weight in weights)
    before, after = (
        part.T @ (weight[:, None] * part) + 1e-2 * np.eye(x.shape[1])
        for part, weight in zip((left, right), weights, strict=True)
    )
    cross = left.T @ (counts @ right) / counts.sum()
    inverse, outer = (np.linalg.inv(np.linalg.cholesky(part)).T for part in (before, after))
    u, correlation, v = np.linalg.svd(inverse.T @ cross @ outer)
    root = np.sqrt(correlation[:width] / (1 - np.minimum(correlation[:width], 0.95) ** 2))
    leads, follows = left @ (inverse @ u[:, :width] * root), right @ (outer @ v[:width].T * root)
    limit = 4.0
    return tuple(torch.from_numpy(np.clip(part, -limit, limit)).float() for part in (follows, leads))  # type: ignore[return-value]


def quantized(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors in 8 bits and the [width] size of a step in each column."""
    step = vectors.float().abs().amax(0).clamp(min=1e-9) / 127
    return (vectors / step).round().to(torch.int8), step
