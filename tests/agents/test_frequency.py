import dataclasses

import pytest
import torch
from copybandit.agents.traffic.frequency import FrequencyCap, earlier_visits
from copybandit.agents.traffic.retrieval import Retrieval
from copybandit.simulation.data.errors import InputError

from .conftest import ARMS, build, respond, visits

ALL = torch.arange(ARMS)


def of_users(user, hours=0.0):
    user = torch.as_tensor(user)
    return dataclasses.replace(visits(len(user)), user=user, hours=torch.full((len(user),), hours).double())


def showings(user, slates, users):
    count = torch.zeros(users, ARMS, dtype=torch.int64)
    return count.index_put_((user[:, None].expand_as(slates), slates), torch.ones_like(slates), accumulate=True)


def test_earlier_visits_by_hand():
    assert earlier_visits(torch.tensor([7, 3, 7, 7, 3])).tolist() == [0, 0, 1, 2, 1]


def test_nobody_sees_a_creative_more_often_in_a_day(name):
    """Two users come 6 times each in batches of mixed order: 12 showings each, of 6 arms, 3 times at most."""
    agent, order = FrequencyCap(build(name), 2, 3), torch.randperm(12, generator=torch.Generator().manual_seed(0)) % 2
    shown = []
    for part in order.split(4):
        come = of_users(part)
        decision = agent.act(come, ALL)
        shown.append(decision.slates)
        agent.update(decision.answer(respond(come, decision.slates)))
    slates = torch.cat(shown)
    assert (slates[:, 0] != slates[:, 1]).all()
    assert showings(order, slates, 2).max() <= 3


def test_a_new_day_begins_at_midnight():
    agent = FrequencyCap(build("random", slots=1), 1, 1)
    first = [agent.act(of_users([0], hours), ALL).slates.item() for hours in (0.0, 5.0, 11.0, 17.0, 23.0, 23.9)]
    assert sorted(first) == list(range(ARMS))
    second = [agent.act(of_users([0], hours), ALL).slates.item() for hours in (24.0, 25.0, 26.0, 27.0, 28.0, 29.0)]
    assert sorted(second) == list(range(ARMS))


def test_who_has_seen_everything_is_shown_what_was_seen_least():
    agent = FrequencyCap(build("random", slots=1), 1, 1)
    for _ in range(3 * ARMS):
        agent.act(of_users([0]), ALL)
    assert (agent.shown == 3).all()


def test_propensities_are_those_among_what_is_open():
    agent = FrequencyCap(build("random", slots=1), 3, 1)
    user = torch.tensor([0, 0, 1, 0, 2])
    decision = agent.act(of_users(user), ALL)
    assert decision.propensities.flatten().tolist() == pytest.approx([1 / 6, 1 / 5, 1 / 6, 1 / 4, 1 / 6])


def test_before_retrieval_more_is_offered_to_whom_the_best_answers_are_closed(tiny_world):
    tiny_world.publish(tiny_world.catalog.ads)
    inner = build("random", slots=tiny_world.slots, arms=len(tiny_world.creatives))
    inner.width = None
    inner.worth = dataclasses.replace(inner.worth, examination=tiny_world.examination)
    agent = FrequencyCap(
        Retrieval(inner, tiny_world.traffic.queries, tiny_world.creatives, 3), len(tiny_world.audience), 1
    )
    seen = torch.zeros(len(tiny_world.audience), len(tiny_world.creatives), dtype=torch.int64)
    tiny_world.reset(0)
    for _ in range(3):
        come = tiny_world.visitors(40)
        slates = agent.act(come, torch.arange(len(tiny_world.creatives))).slates
        seen.index_put_((come.user[:, None].expand_as(slates), slates), torch.ones_like(slates), accumulate=True)
    # Four visits take eight of the twelve creatives.
    assert seen[seen.sum(1) <= 8].max() == 1
    assert seen.sum(1).max() > 3


def test_new_arms_and_saving():
    first, second = (FrequencyCap(build("lints", slots=1), 2, 1) for _ in range(2))
    first.act(of_users([0, 0, 1]), ALL)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.shown, second.shown)
    assert torch.equal(first.act(of_users([0, 1]), ALL).slates, second.act(of_users([0, 1]), ALL).slates)
    first.add_successors(torch.tensor([1]))
    first.add_arms(1)
    assert first.shown.shape == (2, ARMS + 2)
    first.act(of_users([0]), torch.arange(ARMS + 2))


def test_refusal():
    with pytest.raises(InputError, match="frequency cap 0"):
        FrequencyCap(build("lints"), 2, 0)
