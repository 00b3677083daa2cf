"""Exposure: how much sooner a model says a line that it learned from than lines of the same form that it did not.

Carlini et al., "The Secret Sharer", USENIX Security 2019 (arXiv 1802.08232): a canary with random digits is put among
what is learned from, and ranked by its log-perplexity among all lines that differ from it in the digits alone. With as
many guesses as there are such lines, a model that tells nothing leaves the canary anywhere among them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import skewnorm

from .likelihood import token_log_probs
from .writer import Writer


def exposure(canary: float, candidates: ArrayLike) -> float:
    """Exposure by rank, log2 |R| - log2 rank: 0 bits for the last of all, log2 |R| for the first.

    Args:
        canary: its log-perplexity, see `log_perplexities`.
        candidates: [n] those of other lines of the same form, drawn at random; R is these and the canary.

    Returns:
        Bits, from 0 to log2(n + 1). Lines as likely as the canary stand before it.

    Raises:
        ValueError: there are none to compare with.
    """
    others = np.asarray(candidates, dtype=np.float64)
    if not others.size:
        raise ValueError("no candidates to rank a canary among")
    return float(np.log2(len(others) + 1) - np.log2(1 + (others <= canary).sum()))


def extrapolated_exposure(canary: float, candidates: ArrayLike, space: float) -> float:
    """Exposure beyond the rank among a sample: -log2 of the share of a skew normal, fitted to it, below the canary.

    The paper's second approximation; it finds that log-perplexities of random lines are close to one.

    Args:
        canary: its log-perplexity.
        candidates: [n] those of other lines of the same form, drawn at random.
        space: how many such lines there are: no exposure is above log2 of it.

    Returns:
        Bits, from 0 to log2(space).

    Raises:
        ValueError: fewer than three different log-perplexities, which no curve can be fitted to.
    """
    others = np.asarray(candidates, dtype=np.float64)
    if len(np.unique(others)) < 3:
        raise ValueError("too few different candidates to fit a distribution to")
    with np.errstate(divide="ignore"):
        bits = -skewnorm.logcdf(canary, *skewnorm.fit(others)) / np.log(2)
    return float(np.clip(np.nan_to_num(bits, nan=np.inf, posinf=np.inf), 0.0, np.log2(space)))


def log_perplexities(writer: Writer, prompt: str, texts: Sequence[str]) -> np.ndarray:
    """[n] float64 log-perplexities in bits of n answers to one prompt, their ends included: -log2 of what a writer
    gives each, whatever its length.
    """
    scored = token_log_probs(writer, [prompt] * len(texts), texts)
    return np.array([-float(log_probs.double().sum()) / np.log(2) for log_probs in scored])
