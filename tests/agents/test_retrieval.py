"""An agent behind retrieval chooses among the best answers only, and its propensities say so."""

import pytest
import torch
from copybandit.agents.agent import Worth
from copybandit.agents.registry import make_agent
from copybandit.agents.traffic.retrieval import Retrieval
from copybandit.simulation.world import demo_world


@pytest.fixture(scope="module")
def support():
    world = demo_world("support", users=100)
    world.publish(world.catalog.ads)
    return world


def retrieval(world, name: str, n: int) -> Retrieval:
    agent = make_agent(
        name,
        arms=len(world.creatives),
        slots=world.slots,
        width=len(world.traffic.context_names),
        worth=Worth(world.examination),
        generator=torch.Generator().manual_seed(0),
    )
    return Retrieval(agent, world.traffic.queries, world.creatives, n)


@pytest.mark.parametrize("name", ["random", "lints"])
def test_only_the_best_answers_are_offered(support, name):
    support.reset(0)
    agent = retrieval(support, name, 6)
    candidates = torch.arange(10, 120)
    visits = support.visitors(300)
    decision = agent.act(visits, candidates)
    match = support.traffic.queries.match([support.creatives[i] for i in candidates.tolist()])
    sixth = match.topk(6, dim=1).values[:, -1]
    chosen = match[visits.query[:, None], decision.slates - 10]
    assert (chosen >= sixth[visits.query][:, None]).all()
    agent.update(decision.answer(support.respond(visits, decision.slates)))


def test_propensities_are_those_among_the_offered(support):
    support.reset(0)
    decision = retrieval(support, "random", 6).act(support.visitors(50), torch.arange(40))
    assert decision.propensities is not None
    assert torch.allclose(decision.propensities, torch.tensor([1 / 6, 1 / 5, 1 / 4]).expand(50, 3))


def test_who_asks_nothing_is_offered_everything(tiny_world):
    tiny_world.publish(tiny_world.catalog.ads)
    visits = tiny_world.visitors(400)
    decision = retrieval(tiny_world, "random", 2).act(visits, torch.arange(len(tiny_world.creatives)))
    quiet = visits.query < 0
    assert decision.propensities is not None
    assert torch.allclose(decision.propensities[quiet, 0], torch.tensor(1 / len(tiny_world.creatives)))
    assert torch.allclose(decision.propensities[~quiet, 0], torch.tensor(1 / 2))
