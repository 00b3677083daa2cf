import pytest
import torch
from copybandit.agents.agent import Worth
from copybandit.agents.clicks import examined_trials
from copybandit.agents.traffic.slate import Apart, Cap, Layout
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.logs import uniform_slates
from copybandit.simulation.world import demo_world

from .conftest import ARMS, build, chances, respond, serve, visits

CLICKS = torch.tensor([[False, True, False], [False, False, False], [True, False, True], [True, False, False]])


@pytest.mark.parametrize(
    ("going_on", "shares"),
    [
        (1.0, [[1.0, 0.8, 0.5], [1.0, 0.8, 0.5], [1.0, 0.8, 0.5], [1.0, 0.8, 0.5]]),
        (0.0, [[1.0, 0.8, 0.0], [1.0, 0.8, 0.5], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
        (0.5, [[1.0, 0.8, 0.25], [1.0, 0.8, 0.5], [1.0, 0.4, 0.25], [1.0, 0.4, 0.25]]),
    ],
    ids=["position", "cascade", "dependent"],
)
def test_trials_given_the_clicks_above(going_on, shares):
    examined = torch.tensor([[1.0, 0.8, 0.5]]).expand(4, 3)
    torch.testing.assert_close(examined_trials(examined, CLICKS, going_on), torch.tensor(shares))


@pytest.mark.parametrize("scenario", ["shop", "feed", "support"])
def test_trials_in_a_world_are_what_was_looked_at(scenario):
    world = demo_world(scenario, users=200)
    shown, generator = world.publish(world.catalog.ads[:40]), torch.Generator().manual_seed(0)
    trials, examined = torch.zeros(world.slots), torch.zeros(world.slots)
    for _ in range(4):
        visits = world.visitors(5000)
        slates = uniform_slates(5000, shown, world.slots, generator)
        examined += world.expected(visits, slates).examine.sum(0)
        trials += Worth.of(world).trials(world.respond(visits, slates)).sum(0)
    torch.testing.assert_close(trials, examined, rtol=0.05, atol=0)


def test_position_correction_recovers_attraction():
    """Arms shown low are clicked less; corrected for examination they are worth the same."""
    examination = torch.tensor([[1.0, 0.3]])
    agent = build("epsilon-greedy", slots=2, worth=Worth(examination))
    come = visits(40_000)
    slates = torch.tensor([[0, 1]]).expand(40_000, 2)
    agent.update(respond(come, slates, examination=examination))
    mean = agent.model.posterior(come.context[:1], torch.arange(2)).mean[0]
    assert mean[0].item() == pytest.approx(0.1, abs=0.01)
    assert mean[1].item() == pytest.approx(0.1, abs=0.015)


@pytest.mark.parametrize("going_on", [0.0, 0.5])
def test_cascade_worth_learns(going_on):
    agent = build("lints", slots=2, worth=Worth(torch.ones(1, 2), going_on=going_on))
    slates = serve(agent, 40)
    assert chances(slates[-320:]).sum(1).mean() > 0.9


def test_caps_hold_in_every_slate(name):
    group = torch.tensor([0, 0, 0, 1, 1, 2])
    agent = build(name, slots=3, layout=Layout([Cap(group, 1)]))
    slates = serve(agent, 5)
    assert (group[slates].sort(1).values == torch.arange(3)).all()


def test_caps_that_leave_too_few_are_refused():
    agent = build("random", slots=3, layout=Layout([Cap(torch.tensor([0, 0, 0, 1, 1, 1]), 1)]))
    with pytest.raises(InputError, match="cap"):
        agent.act(visits(2), torch.arange(6))


def test_groups_are_those_of_a_name():
    assert Cap.of(["a", "b", "a", "", ""], 1).group.tolist() == [0, 1, 0, 2, 3]


def test_a_cap_yields_to_whom_nothing_else_may_be_shown():
    """Only two arms of one product are open to the second visitor."""
    layout, opened = Layout([Cap(torch.tensor([0, 0, 1]), 1)]), torch.tensor([[True, True, True], [True, True, False]])
    left = layout.close(opened, torch.tensor([[0], [0]]), torch.arange(3), torch.Size([2, 3]))
    assert left.tolist() == [[False, False, True], [False, True, False]]


VECTORS = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]])
"""Cosines: 0 and 1 .8, 0 and 2 0, 0 and 3 .6, 1 and 2 .6, 1 and 3 .96, 2 and 3 .8."""


def closed(most, chosen, opened=None):
    candidates = torch.arange(4)
    return Layout(apart=Apart(VECTORS, most)).close(opened, torch.tensor([chosen]), candidates, torch.Size([1, 4]))


def test_texts_too_like_one_above_are_closed():
    assert closed(0.7, [0]).tolist() == [[False, False, True, True]]
    assert closed(0.7, [0, 2]).tolist() == [[False, True, False, True]]  # both are too like; see below
    assert closed(0.5, [0]).tolist() == [[False, False, True, False]]


def test_where_all_are_too_like_the_least_like_is_open():
    """Of 1 and 3, each .8 like what was shown at most, both stay; of 1 alone, it does."""
    assert closed(0.1, [0, 2]).tolist() == [[False, True, False, True]]
    only = torch.tensor([[True, True, False, False]])
    assert closed(0.1, [0], only).tolist() == [[False, True, False, False]]


def test_slates_of_every_agent_are_apart(name):
    vectors = torch.nn.functional.one_hot(torch.tensor([0, 0, 0, 1, 1, 2])).float()
    slates = serve(build(name, slots=3, layout=Layout(apart=Apart(vectors, 0.5))), 5)
    assert (vectors.argmax(1)[slates].sort(1).values == torch.arange(3)).all()


def test_layouts_grow():
    layout = Layout([Cap(torch.tensor([0, 1]), 1)], Apart(VECTORS[:2], 0.5))
    with pytest.raises(InputError, match="have to hold the new ones"):
        layout.grow(1)
    grown = layout.grow(1, torch.tensor([1]), VECTORS[2:3])
    assert grown.caps[0].group.tolist() == [0, 1, 1]
    assert torch.equal(grown.apart.texts, VECTORS[:3])
    assert Layout(layout.caps).grow(2).caps[0].group.tolist() == [0, 1, 2, 3]


def test_successors_are_in_the_group_of_those_they_follow():
    agent = build("lints", slots=2, layout=Layout([Cap(torch.arange(ARMS), 1)]))
    agent.add_successors(torch.tensor([2]))
    slates = serve(agent, 4, candidates=torch.tensor([2, ARMS, 0]))
    assert not ((slates == 2).any(1) & (slates == ARMS).any(1)).any()


def test_refusals():
    with pytest.raises(InputError, match="cap 0"):
        Cap(torch.zeros(2, dtype=torch.int64), 0)
    with pytest.raises(InputError, match="likeness 2"):
        Apart(VECTORS, 2.0)
