import pytest
import torch
from copybandit.agents.agent import Worth
from copybandit.agents.clicks import cascade_trials, dependent_trials
from copybandit.agents.traffic.slate import Cap, Layout, diverse
from copybandit.simulation.data.errors import InputError

from .conftest import build, chances, respond, serve, visits

CLICKS = torch.tensor([[False, True, False], [False, False, False], [True, False, True], [True, False, False]])


def test_cascade_reads_to_the_first_click():
    expected = [[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert cascade_trials(CLICKS).tolist() == expected


def test_dependent_clicks_read_to_the_last_click():
    expected = [[1, 1, 0], [1, 1, 1], [1, 1, 1], [1, 0, 0]]
    assert dependent_trials(CLICKS).tolist() == expected


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


@pytest.mark.parametrize("model", ["cascade", "dependent"])
def test_cascade_worth_learns(model):
    agent = build("lints", slots=2, worth=Worth(torch.ones(1, 2), click_model=model))
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
