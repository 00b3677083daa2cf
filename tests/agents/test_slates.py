import pytest
import torch
from copybandit.agents.agent import Worth
from copybandit.agents.clicks import examined_trials
from copybandit.agents.traffic.slate import Cap, Layout, diverse
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.logs import uniform_slates
from copybandit.simulation.world import demo_world

from .conftest import build, chances, respond, serve, visits

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
    torch.testing.assert_close(trials, examined, rtol=0.03, atol=0)


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


def test_diverse_takes_quality_then_what_differs():
    # Items 0 and 1 are the same; 2 is worse but different.
    similarity = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert diverse(torch.tensor([1.0, 0.99, 0.5]), similarity, 2).tolist() == [0, 2]


def test_diverse_is_greedy_on_determinants(generator):
    vectors = torch.nn.functional.normalize(torch.randn(6, 4, generator=generator, dtype=torch.float64), dim=1)
    quality = torch.rand(6, generator=generator, dtype=torch.float64) + 0.5
    kernel = quality[:, None] * (vectors @ vectors.T) * quality
    chosen: list[int] = []
    for _ in range(3):
        rest = [i for i in range(6) if i not in chosen]
        volumes = [torch.linalg.det(kernel[[*chosen, i]][:, [*chosen, i]]).item() for i in rest]
        chosen.append(rest[max(range(len(rest)), key=volumes.__getitem__)])
    assert diverse(quality, vectors @ vectors.T, 3).tolist() == chosen
