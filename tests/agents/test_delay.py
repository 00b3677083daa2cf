import dataclasses
import math

import numpy as np
import pytest
import torch
from copybandit.agents.agent import Worth
from copybandit.agents.checked import Serving
from copybandit.agents.ledger import Ledger
from copybandit.agents.traffic.delay import ENOUGH, Delayed, Queue, truncated_rate
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
def test_who_corrects_beats_who_ignores_over_20_seeds():
    gains = np.array([[earned(seed, mode) for mode in ("credited", "waited", "ignored")] for seed in range(20)])
    for corrected in gains.T[:2]:
        more = corrected - gains[:, 2]
        assert more.mean() > 1.96 * more.std(ddof=1) / 20**0.5


def test_rate_is_recovered_from_censored_delays():
    delays = -MEAN_DELAY * torch.rand(20_000, generator=torch.Generator().manual_seed(0)).log()
    seen = delays[delays <= WAIT * 4]
    assert truncated_rate(float(seen.mean()), WAIT * 4) == pytest.approx(1 / MEAN_DELAY, rel=0.1)


def test_rate_by_hand():
    """An exponential of rate 1 cut at 1 has mean 1 - 1 / (e - 1)."""
    assert truncated_rate(1 - 1 / (math.e - 1), 1.0) == pytest.approx(1.0)


def test_weight_by_hand_until_enough_was_seen():
    delayed = Delayed(two_arms(), 6.0, 6.0, "waited")
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


def test_waiting_weighs_and_hides_what_is_late():
    agent, told = watched("waited")
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
    agent = Delayed(two_arms(), WAIT, 3.0, "waited")
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


@pytest.mark.parametrize("mode", ["credited", "waited"])
def test_what_is_held_survives_saving(generator, mode):
    first, second = (Delayed(two_arms(), WAIT, MEAN_DELAY, mode) for _ in range(2))
    for i in range(12):
        come = at(i / 4, 8)
        decision = first.act(come, torch.arange(2))
        first.update(decision.answer(respond(come, decision.slates, generator)))
    second.load_state_dict(first.state_dict())
    for hours in (4.0, 6.0):
        slates = [agent.act(at(hours, 32), torch.arange(2)).slates for agent in (first, second)]
        assert torch.equal(*slates)
    assert (first.seen, first.total, first.rate) == (second.seen, second.total, second.rate)
    assert not second.fresh


def test_of_what_is_learned_at_once_only_visits_with_a_click_are_held():
    agent, told = watched("credited")
    slates, some = torch.zeros(4, 1, dtype=torch.int64), torch.tensor([[False], [True], [False], [True]])
    agent.update(Feedback(at(0.0, 4), slates, some, ~some & some, torch.full((4, 1), torch.inf)))
    assert [len(part.slates) for part in told] == [4] and len(agent.fresh) == 2
    agent.act(at(2.0, 2), torch.arange(2))
    assert agent.clicks == 2 and not agent.fresh and len(agent.old) == 2


def test_what_is_waited_for_counts_once_however_many_decisions_are_made_until_then(generator):
    """More than the ledger holds."""
    agent = two_arms()
    agent.ledger = Ledger(1, agent.device, capacity=100)
    delayed = Delayed(agent, WAIT, MEAN_DELAY, "waited")
    for i in range(12):
        come = at(i / 4)
        decision = delayed.act(come, torch.arange(2))
        answer = decision.answer(respond(come, decision.slates, generator))
        delayed.update(answer)
        with pytest.raises(InputError, match="came twice"):
            delayed.update(answer)
    assert float(agent.model.posterior(visits(4).context, torch.arange(2)).deviation.min()) < 0.1
    assert len(delayed.fresh) == 8 * 64


def test_credited_by_hand():
    """Waits two hours, mean delay six: seen within 2 hours is 1 - e^-1/3 of all, within 8 hours 1 - e^-4/3."""
    agent, told = watched("credited")
    credits = []
    agent.agent.credit = lambda feedback, conversions: credits.append(conversions[:, 0].tolist())
    slates, yes = torch.zeros(3, 1, dtype=torch.int64), torch.ones(3, 1, dtype=torch.bool)
    agent.act(at(4.0, 3), torch.arange(2))
    agent.update(Feedback(at(4.0, 3), slates, yes, yes, torch.tensor([[0.5], [3.0], [9.0]])))
    assert told[0].clicked.all() and told[0].converted.tolist() == [[0.0]] * 3
    agent.act(at(5.9, 3), torch.arange(2))
    assert not credits
    agent.act(at(6.0, 3), torch.arange(2))
    first, last = 1 / (1 - math.exp(-1 / 3)), 1 / (1 - math.exp(-4 / 3))
    assert credits[0] == pytest.approx([first, 0.0, 0.0])
    # Of three clicks that had their time one converted: of each that is fresh a third, times its weight, is expected.
    agent.update(Feedback(at(6.0, 3), slates, yes, ~yes, torch.full((3, 1), torch.inf)))
    assert told[1].converted[:, 0].tolist() == pytest.approx([first / 3] * 3)
    agent.act(at(12.0, 3), torch.arange(2))
    assert credits[1] == pytest.approx([-first / 3] * 3)
    assert credits[2] == pytest.approx([last - first, last, 0.0])
    agent.act(at(99.0, 3), torch.arange(2))
    assert credits[3] == [0.0] * 3 and not agent.fresh and not agent.old


def test_what_is_credited_counts_as_if_it_had_been_known(generator):
    for name in ("beta-thompson", "linucb", "lints", "ucb1"):
        once, late = (build(name, slots=2, worth=Worth(torch.ones(1, 2), conversion_value=10.0)) for _ in range(2))
        come = visits(64)
        slates = once.act(come, torch.arange(once.arms)).slates
        clicked = torch.rand(slates.shape, generator=generator) < 0.5
        converted = clicked & (torch.rand(slates.shape, generator=generator) < 0.5)
        answer = Feedback(come, slates, clicked, converted, torch.zeros(slates.shape))
        once.update(answer)
        late.update(dataclasses.replace(answer, converted=0.3 * clicked))
        late.credit(answer, converted.float() - 0.3 * clicked)
        mean = [agent.model.posterior(come.context.float(), torch.arange(agent.arms)).mean for agent in (once, late)]
        torch.testing.assert_close(*mean)


def test_who_cannot_be_credited_waits():
    windowed = build("linucb", slots=1, arms=2, serving=Serving(window=50))
    assert Delayed(windowed, WAIT, MEAN_DELAY).mode == "waited"
    assert Delayed(two_arms(), WAIT, MEAN_DELAY).mode == "credited"
    with pytest.raises(InputError, match="cannot be added later"):
        windowed.credit(None, torch.zeros(1, 1))


def test_refusals():
    for times in ((0.0, 6.0), (6.0, -1.0)):
        with pytest.raises(InputError, match="delay"):
            Delayed(two_arms(), *times)


def test_what_is_saved_does_not_say_whose_visits_wait():
    agent, _ = watched("waited")
    slates, yes = torch.zeros(2, 1, dtype=torch.int64), torch.ones(2, 1, dtype=torch.bool)
    agent.update(Feedback(at(0.0, 2), slates, yes, yes, torch.tensor([[1.0], [3.0]])))
    state = agent.own_state()
    assert "visit.context" in state and not [name for name in state if "user" in name]
    again, told = watched("waited")
    again.load_own_state(state)
    again.act(at(2.5, 2), torch.arange(2))
    assert len(told[0].slates) == 2 and told[0].impressions.user.tolist() == [-1, -1]


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_queue_hands_out_each_visit_once_and_when_it_is_due(shuffled, generator):
    """Against a plain list, through growth and moves to the front; sizes, order and kinds of columns differ."""
    queue, plain, seen = Queue(), [], 0
    for turn in range(60):
        n = int(torch.randint(0, 40, (1,), generator=generator))
        hours = (
            turn
            + torch.rand(n, generator=generator).double().sort().values
            - (5.0 if shuffled and turn % 7 == 3 else 0)
        )
        numbers = torch.arange(seen, seen + n)[:, None]
        seen += n
        come = dataclasses.replace(visits(max(n, 1))[:n], hours=hours)
        kind = torch.float32 if turn > 30 else torch.bool
        nothing = torch.zeros(n, 1, dtype=kind)
        known = None if turn < 45 else torch.ones(n, 1)
        queue.put(Feedback(come, numbers, nothing, nothing, torch.zeros(n, 1), known), numbers.float())
        plain += list(zip(hours.tolist(), numbers[:, 0].tolist(), strict=True))
        until = turn - 4.0 + 3 * (turn % 3)
        taken = [(feedback, counted) for feedback, counted in queue.take(until)]
        found = sorted(number for feedback, _ in taken for number in feedback.slates[:, 0].tolist())
        assert found == sorted(number for hour, number in plain if hour <= until)
        assert all(torch.equal(feedback.slates.float(), counted) for feedback, counted in taken)
        plain = [one for one in plain if one[0] > until]
        assert len(queue) == len(plain)
