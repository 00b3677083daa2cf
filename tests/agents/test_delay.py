import dataclasses
import math

import numpy as np
import pytest
import torch
from copybandit.agents.agent import Worth
from copybandit.agents.traffic.delay import ENOUGH, Delayed, truncated_rate
from copybandit.simulation.data.errors import InputError
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


def two_arms(seed=0):
    return build("beta-thompson", slots=1, arms=2, seed=seed, worth=Worth(torch.ones(1, 1), conversion_value=10.0))


def earned(seed, mode, rounds=120):
    """Worth an impression over a run in which conversions are waited for two hours; the mean delay is six."""
    generator, agent, total = torch.Generator().manual_seed(seed), two_arms(seed), 0.0
    agent = Delayed(agent, WAIT, MEAN_DELAY, mode)
    for i in range(rounds):
        come = at(i / 4)
        decision = agent.act(come, torch.arange(2))
        total += float((CLICK * (1 + 10 * CONVERT))[decision.slates].mean())
        agent.update(decision.answer(respond(come, decision.slates, generator)))
    return total / rounds


@pytest.mark.slow
def test_handled_beats_ignored_over_20_seeds():
    gains = np.array([[earned(seed, mode) for mode in ("handled", "ignored")] for seed in range(20)])
    mean, half = gains.mean(0), 1.96 * gains.std(0, ddof=1) / 20**0.5
    assert mean[0] - half[0] > mean[1] + half[1]


def test_rate_is_recovered_from_censored_delays():
    delays = -MEAN_DELAY * torch.rand(20_000, generator=torch.Generator().manual_seed(0)).log()
    seen = delays[delays <= WAIT * 4]
    assert truncated_rate(float(seen.mean()), WAIT * 4) == pytest.approx(1 / MEAN_DELAY, rel=0.1)


def test_rate_by_hand():
    """An exponential of rate 1 cut at 1 has mean 1 - 1 / (e - 1)."""
    assert truncated_rate(1 - 1 / (math.e - 1), 1.0) == pytest.approx(1.0)


def test_weight_by_hand_until_enough_was_seen():
    delayed = Delayed(two_arms(), 6.0, 6.0)
    assert delayed.weight == pytest.approx(1 / (1 - math.exp(-1)))
    delayed.seen, delayed.total = ENOUGH, 6 * ENOUGH * (1 - 1 / (math.e - 1))
    assert delayed.weight == pytest.approx(1 / (1 - math.exp(-1)))
    delayed.total /= 2
    assert delayed.weight < 1.2


def watched(mode, wait=2.0):
    """An agent of which we see what it is told."""
    agent, told = two_arms(), []
    agent.update = told.append
    return Delayed(agent, wait, 6.0, mode), told


def test_handled_waits_weighs_and_hides_what_is_late():
    agent, told = watched("handled")
    slates, yes = torch.zeros(2, 1, dtype=torch.int64), torch.ones(2, 1, dtype=torch.bool)
    agent.update(Feedback(at(0.0, 2), slates, yes, yes, torch.tensor([[1.0], [3.0]])))
    agent.update(Feedback(at(1.0, 2), slates, yes, yes, torch.tensor([[1.0], [1.0]])))
    agent.act(at(1.5, 2), torch.arange(2))
    assert not told
    agent.act(at(2.5, 2), torch.arange(2))
    weight = 1 / (1 - math.exp(-1 / 3))
    torch.testing.assert_close(told[0].converted, torch.tensor([[weight], [0.0]]))
    assert told[0].delay_hours.tolist() == [[1.0], [math.inf]]
    assert (agent.seen, agent.total) == (1, 1.0)
    agent.act(at(9.0, 2), torch.arange(2))
    assert len(told[1].slates) == 2
    agent.act(at(99.0, 2), torch.arange(2))
    assert len(told) == 2


def test_ignored_tells_at_once_what_has_happened_by_now():
    agent, told = watched("ignored")
    slates, yes = torch.zeros(2, 1, dtype=torch.int64), torch.ones(2, 1, dtype=torch.bool)
    agent.act(at(5.0, 2), torch.arange(2))
    agent.update(Feedback(at(4.0, 2), slates, yes, yes, torch.tensor([[0.5], [1.5]])))
    assert told[0].converted.tolist() == [[True], [False]]
    assert told[0].clicked.all()


def test_what_is_not_known_stays_unknown():
    agent, told = watched("ignored")
    slates, unknown = torch.zeros(2, 1, dtype=torch.int64), torch.tensor([[torch.nan], [1.0]])
    agent.act(at(5.0, 2), torch.arange(2))
    agent.update(Feedback(at(4.0, 2), slates, torch.ones(2, 1), unknown, torch.tensor([[torch.inf], [0.5]])))
    assert told[0].converted.isnan().tolist() == [[True], [False]]
    assert told[0].converted[1, 0] == 1


def test_corrected_conversions_are_worth_what_all_would_be(generator):
    """The mean worth that arms are learned to have is that without a delay."""
    agent = Delayed(two_arms(), WAIT, 3.0)
    slates = torch.arange(2).repeat(20_000)[:, None]
    for i in range(3):
        agent.update(respond(at(float(i), 40_000), slates, generator))
    agent.act(at(2.5, 2), torch.arange(2))
    agent.act(at(9.0, 2), torch.arange(2))
    # Of the first batch the delay was guessed at 3 hours; the rate of the others is learned.
    assert 1 / agent.rate == pytest.approx(MEAN_DELAY, rel=0.2)
    agent.agent.model.discount(0.0)
    agent.update(respond(at(10.0, 40_000), slates, generator))
    agent.act(at(13.0, 2), torch.arange(2))
    mean = agent.agent.model.posterior(torch.zeros(1, 4), torch.arange(2)).mean[0] * 11
    torch.testing.assert_close(mean, CLICK * (1 + 10 * CONVERT), atol=0.04, rtol=0)


def test_what_is_held_survives_saving(generator):
    first, second = (Delayed(two_arms(), WAIT, MEAN_DELAY) for _ in range(2))
    for i in range(12):
        come = at(i / 4, 8)
        decision = first.act(come, torch.arange(2))
        first.update(decision.answer(respond(come, decision.slates, generator)))
    second.load_state_dict(first.state_dict())
    for hours in (4.0, 6.0):
        slates = [agent.act(at(hours, 32), torch.arange(2)).slates for agent in (first, second)]
        assert torch.equal(*slates)
    assert (first.seen, first.total, first.rate) == (second.seen, second.total, second.rate)
    assert not second.held


def test_refusals():
    for times in ((0.0, 6.0), (6.0, -1.0)):
        with pytest.raises(InputError, match="delay"):
            Delayed(two_arms(), *times)
