import dataclasses
import math

import numpy as np
import pytest
import torch
from copybandit.agents.agent import Worth
from copybandit.agents.traffic.delay import DelayedFeedback, exponential_rate
from copybandit.simulation.world import Feedback

from .conftest import build, visits

MEAN_DELAY, WAIT = 6.0, 2.0
CLICK, CONVERT = torch.tensor([0.30, 0.15]), torch.tensor([0.05, 0.30])
"""Arm 0 is clicked twice as often, arm 1 converts: with a conversion worth 10 clicks, .45 against .60."""


def respond(impressions, slates, generator):
    click = torch.rand(slates.shape, generator=generator) < CLICK[slates]
    convert = click & (torch.rand(slates.shape, generator=generator) < CONVERT[slates])
    delay = -MEAN_DELAY * torch.rand(slates.shape, generator=generator).log()
    return Feedback(impressions, slates, click, convert, torch.where(convert, delay, torch.inf))


def at(hours, n=64):
    return dataclasses.replace(visits(n), hours=torch.full((n,), hours, dtype=torch.float64))


def earned(seed, corrected, rounds=120):
    """Worth an impression over a run in which conversions are waited for two hours; the mean delay is six."""
    generator = torch.Generator().manual_seed(seed)
    held = DelayedFeedback(WAIT, MEAN_DELAY)
    agent = build("beta-thompson", slots=1, arms=2, seed=seed, worth=Worth(torch.ones(1, 1), conversion_value=10.0))
    total = 0.0
    for i in range(rounds):
        come = at(i / 4)
        decision = agent.act(come, torch.arange(2))
        total += float((CLICK * (1 + 10 * CONVERT))[decision.slates].mean())
        held.hold(decision.answer(respond(come, decision.slates, generator)))
        due = held.release(i / 4, corrected)
        if due is not None:
            agent.update(due)
        held.learn_rate()
    return total / rounds


@pytest.mark.slow
def test_corrected_beats_naive_over_20_seeds():
    gains = np.array([[earned(seed, corrected) for corrected in (True, False)] for seed in range(20)])
    mean, half = gains.mean(0), 1.96 * gains.std(0, ddof=1) / 20**0.5
    assert mean[0] - half[0] > mean[1] + half[1]


def test_rate_is_recovered_from_censored_delays():
    generator = torch.Generator().manual_seed(0)
    delays = -MEAN_DELAY * torch.rand(20_000, generator=generator).log()
    assert exponential_rate(delays[delays <= WAIT * 4], WAIT * 4) == pytest.approx(1 / MEAN_DELAY, rel=0.1)


def test_weight_by_hand():
    assert DelayedFeedback(6.0, 6.0).weight == pytest.approx(1 / (1 - math.exp(-1)))


def test_release_waits_and_hides_what_is_late():
    held = DelayedFeedback(2.0, 6.0)
    slates = torch.zeros(2, 1, dtype=torch.int64)
    yes = torch.ones(2, 1, dtype=torch.bool)
    held.hold(Feedback(at(0.0, 2), slates, yes, yes, torch.tensor([[1.0], [3.0]])))
    held.hold(Feedback(at(1.0, 2), slates, yes, yes, torch.tensor([[1.0], [1.0]])))
    assert held.release(1.5) is None
    first = held.release(2.5)
    weight = 1 / (1 - math.exp(-1 / 3))
    torch.testing.assert_close(first.converted, torch.tensor([[weight], [0.0]]))
    assert first.delay_hours.tolist() == [[1.0], [math.inf]]
    assert len(held.release(3.0).slates) == 2
    assert held.release(99.0) is None
