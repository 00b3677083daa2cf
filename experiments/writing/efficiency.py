"""How well a writer's nats are spent: its gain, over that of the best of n texts of the untuned writer at the same KL.

Choosing the best of n is close to the most that can be gained for its KL, log n - (n - 1) / n (Beirami et al., arXiv
2401.01879; Gui et al., BoNBoN, arXiv 2406.00832): a way of tuning with an efficiency of one has taught the writer all
that the choice knows.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import gammaln
from torch import Tensor

from ...policies.reward.reward import Reward, Rewards
from ...policies.reward.select import choice_kl, write_more
from ...policies.writer.writer import Writer, load_weights, own_weights
from ...simulation.data.catalog import Creative
from ..analysis.statistics.bootstrap import Array
from ..study.study import Study, sample_prompts
from .verdict import judge

TEXTS = 48
"""Answers of the untuned writer to each prompt."""


def best_of_n(reward: Array, gold: Array, n: int) -> float:
    """Mean gold of the best by reward of n texts a prompt, over all ways to draw them without replacement.

    Of N texts in rising order of reward, that of rank r (from 1) is the best of C(r - 1, n - 1) of the C(N, n) draws.

    Args:
        reward: [P, N] by which the best is chosen.
        gold: [P, N] what it is worth.
        n: 1 to N.
    """
    total = reward.shape[1]
    rank = np.arange(n, total + 1)
    weight = np.exp(_log_choose(rank - 1, n - 1) - _log_choose(total, n))
    ordered = np.take_along_axis(gold, reward.argsort(1, kind="stable"), 1)
    return float((ordered[:, n - 1 :] * weight).sum(1).mean())


def _log_choose(n: Array | int, k: int) -> Array:
    return gammaln(np.asarray(n) + 1.0) - gammaln(k + 1.0) - gammaln(np.asarray(n) - k + 1.0)


def efficiency(gain: float, kl: float, reward: Array, gold: Array) -> float | None:
    """The gain over that of the best of n of the same KL; between two n it is interpolated.

    Args:
        gain: gold of the tuned writer's texts over the untuned writer's, less one.
        kl: nats a text between the two.
        reward: [P, N] of the untuned writer's texts.
        gold: [P, N] of the same.

    Returns:
        None where the KL is next to nothing, beyond that of the best of N, or where choosing gains nothing.
    """
    sizes = range(1, reward.shape[1] + 1)
    nats = np.array([choice_kl(n) for n in sizes])
    if not 0.01 < kl <= nats[-1]:
        return None
    gains = np.array([best_of_n(reward, gold, n) for n in sizes])
    possible = float(np.interp(kl, nats, gains / gains[0] - 1))
    return gain / possible if possible > 0 else None


def untuned_choices(
    study: Study, start: dict[str, Tensor], reward: Reward, value: float, prompts: int, seed: int
) -> tuple[Array, Array]:
    """[P, N] reward and gold of texts of the untuned writer; the study's writer stays as it is.

    Args:
        study: writes and judges.
        start: the untuned writer's weights.
        reward: scores.
        value: worth of a conversion in clicks.
        prompts: that are answered.
        seed: of prompts and texts.
    """
    writer: Writer = study.writer
    now, asked = own_weights(writer), sample_prompts(study.asked, prompts, seed)
    load_weights(writer, start)
    found: list[Creative] = []

    def scored(texts: Sequence[Creative], group: Tensor) -> Rewards:
        found.extend(texts)
        return reward(texts, group)

    rewards = write_more(writer, asked, TEXTS, scored, torch.Generator().manual_seed(seed))
    load_weights(writer, now)
    verdict = judge(study.world, found)
    worth = verdict.ctr * (1 + value * verdict.cvr)
    shape = (len(asked), TEXTS)
    return rewards.total.double().numpy().reshape(shape), np.asarray(worth, dtype=float).reshape(shape)
