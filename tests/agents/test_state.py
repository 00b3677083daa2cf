"""A decision service: an agent is loaded, decides in words for one visitor or many, learns, and is saved again."""

import json

import pytest
import torch
from copybandit.agents.registry import AGENTS, agent_for
from copybandit.agents.state import load_agent, save_agent
from copybandit.experiments.serving.observers import Answers
from copybandit.experiments.serving.serve import serve
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.world import demo_world


@pytest.fixture(scope="module", params=["shop", "support"])
def world(request):
    world = demo_world(request.param, users=60)
    world.publish(world.catalog.ads[:20])
    return world


def served(world, agent, n=512):
    answers = Answers()
    serve(world, agent, agent.on_show, n, [answers], batch=128)
    return torch.cat([feedback.slates for feedback in answers.feedback])


@pytest.mark.parametrize("name", AGENTS)
def test_a_loaded_agent_serves_as_the_saved_one_would(world, name, tmp_path):
    world.reset(0)
    agent = agent_for(world, name, seed=3)
    served(world, agent)
    save_agent(agent, tmp_path / "placement")
    other = load_agent(tmp_path / "placement")
    for each in (agent, other):
        each.generator.manual_seed(0)
    world.reset(1)
    first = served(world, agent)
    world.reset(1)
    assert torch.equal(served(world, other), first)


def test_slates_are_texts_and_what_left_is_not_shown(world, tmp_path):
    world.reset(0)
    agent = agent_for(world, "lints")
    agent.remove_arms(torch.tensor([0, 7]))
    save_agent(agent, tmp_path / "placement")
    rows = json.loads((tmp_path / "placement" / "creatives.json").read_text())
    assert [row["arm"] for row in rows if not row["on_show"]] == [0, 7]
    other = load_agent(tmp_path / "placement")
    assert other.labels is not None and other.labels.creatives == world.creatives
    assert other.on_show.tolist() == [arm for arm in range(20) if arm not in (0, 7)]
    slates = other.act(world.visitors(30), other.on_show).slates
    assert other.labels.texts(slates)[4][1] == world.creatives[slates[4, 1]].text


def test_a_visitor_in_words_is_the_world_s_visitor(world):
    visits, labels = world.visitors(40), agent_for(world, "lints").labels
    people, queries = world.audience, world.traffic.queries
    for i in range(40):
        user, query = int(visits.user[i]), int(visits.query[i])
        browsing = people.browsing[user] / people.browsing[user].sum().clamp(min=1)
        known = {
            "channel": labels.channels[visits.channel[i]],
            "segment": people.segments[people.segment[user]],
            "browsing": dict(zip(world.catalog.categories, browsing.tolist(), strict=True)),
        }
        if query >= 0:
            known["query"] = world.catalog.categories[queries.category[query]]
        hour = float(visits.hours[i]) % 24 if world.traffic.clocked else None
        context = labels.context(hour=hour, **known)
        torch.testing.assert_close(context, visits.context[i])
        visit = labels.visits(context, query=queries.all[query].text if query >= 0 else None)
        assert (visit.channel, visit.query) == (visits.channel[i], visits.query[i])


def test_one_visitor_at_a_time_then_new_texts(world, tmp_path):
    agent = agent_for(world, "linucb")
    labels = agent.labels
    visit = labels.visits(labels.context(channel=labels.channels[0]))
    decision = agent.act(visit, agent.on_show)
    assert len(labels.texts(decision.slates)[0]) == world.slots
    before = agent.state_dict()["model.reward"].clone() if "model.reward" in agent.state_dict() else None
    agent.update(decision.answered(visit, torch.tensor([[1] + [0] * (world.slots - 1)])))
    assert before is None or not torch.equal(before, agent.state_dict()["model.reward"])
    save_agent(agent, tmp_path / "placement")
    other = load_agent(tmp_path / "placement")
    product = world.creatives[0].product_id
    other.labels.creatives.append(Creative(product, "A new text."))
    other.add_arms(1)
    assert 20 in other.on_show.tolist()
    other.act(visit, other.on_show)
    save_agent(other, tmp_path / "placement")
    assert load_agent(tmp_path / "placement").labels.creatives[20].text == "A new text."


def test_what_is_no_feature_is_named(world):
    labels = agent_for(world, "lints").labels
    with pytest.raises(InputError, match="no feature 'segment=martians'; known are bias"):
        labels.context(segment="martians")
    with pytest.raises(InputError, match=r"expected .* got"):
        labels.visits([1.0, 2.0])
    with pytest.raises(InputError, match="query 'why' is not among"):
        labels.visits(labels.context(), query="why")


def test_arms_without_a_creative_are_not_saved(world, tmp_path):
    agent = agent_for(world, "lints")
    agent.labels.creatives = agent.labels.creatives[:3]
    with pytest.raises(InputError, match="3 creatives for 20 arms"):
        save_agent(agent, tmp_path / "placement")
    assert not (tmp_path / "placement").exists()


def test_an_agent_for_a_world_where_nothing_is_published_is_refused(make_tiny_world):
    with pytest.raises(InputError, match="publish them first"):
        agent_for(make_tiny_world(), "lints")
