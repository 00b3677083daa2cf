"""Bad input is named, and leaves no trace."""

import dataclasses
import json

import pytest
import torch
from copybandit.agents.checked import Serving
from copybandit.agents.checks import Guard
from copybandit.agents.registry import make_agent
from copybandit.agents.state import load_agent, save_agent
from copybandit.simulation.data.errors import InputError

from .conftest import ARMS, build, respond, serve, visits

ALL = torch.arange(ARMS)


def snapshot(agent):
    return {name: value.clone() for name, value in agent.model.tensors().items()}


def same(agent, before):
    return all(torch.equal(value, before[name]) for name, value in agent.model.tensors().items())


def spoiled(value, n=8):
    come = visits(n)
    come.context[n // 2, 1] = value
    return come


@pytest.mark.parametrize("n", [1, 8])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_contexts_that_are_not_finite(n, value):
    agent = build("linucb", slots=1)
    with pytest.raises(InputError, match="context"):
        agent.act(spoiled(value, n), ALL)
    before = snapshot(agent)
    with pytest.raises(InputError, match="context"):
        agent.update(respond(spoiled(value, n), torch.zeros(n, 1, dtype=torch.int64)))
    assert same(agent, before)


@pytest.mark.parametrize("n", [1, 8])
def test_contexts_of_another_width(n):
    agent = build("lints", slots=1)
    with pytest.raises(InputError, match=r"context.*4"):
        agent.act(visits(n, width=5), ALL)


@pytest.mark.parametrize(
    ("candidates", "what"),
    [
        (torch.tensor([0]), "2 slots"),
        (torch.tensor([0, ARMS]), "unknown arm"),
        (torch.tensor([0, -1]), "unknown arm"),
        (torch.tensor([1, 1, 2]), "twice"),
        (torch.tensor([[0, 1]]), "candidates"),
        (torch.tensor([0.0, 1.0]), "candidates"),
    ],
)
def test_candidates(name, candidates, what):
    with pytest.raises(InputError, match=what):
        build(name).act(visits(4), candidates)


def test_candidates_that_change_in_place_are_looked_at_again():
    agent, candidates = build("random"), ALL.clone()
    agent.act(visits(2), candidates)
    candidates[0] = 99
    with pytest.raises(InputError, match="unknown arm"):
        agent.act(visits(2), candidates)


@pytest.mark.parametrize(("slots", "n"), [(1, 1), (1, 4), (2, 4)])
@pytest.mark.parametrize("kind", ["linucb", "beta-thompson"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: dataclasses.replace(f, slates=f.slates + ARMS),
        lambda f: dataclasses.replace(f, slates=f.slates - ARMS),
        lambda f: dataclasses.replace(f, propensities=torch.zeros_like(f.slates, dtype=torch.float32)),
        lambda f: dataclasses.replace(f, propensities=torch.full(f.slates.shape, 1.5)),
        lambda f: dataclasses.replace(f, propensities=torch.full(f.slates.shape, float("nan"))),
        lambda f: dataclasses.replace(f, clicked=f.clicked[:, :0]),
        lambda f: dataclasses.replace(f, decisions=f.decisions + 1000),
        lambda f: dataclasses.replace(f, decisions=f.decisions - 1000),
        lambda f: dataclasses.replace(f, slates=(f.slates + 1) % ARMS),
    ],
    ids=["unknown", "negative", "zero", "above one", "nan", "shape", "never", "before", "other slate"],
)
def test_feedback(kind, slots, n, spoil):
    agent = build(kind, slots=slots)
    serve(agent, 2, batch=n)
    come = visits(n)
    decision = agent.act(come, ALL)
    good, before = decision.answer(respond(come, decision.slates)), snapshot(agent)
    with pytest.raises(InputError, match="feedback"):
        agent.update(spoil(good))
    assert same(agent, before)
    agent.update(good)


@pytest.mark.parametrize("n", [1, 4])
def test_feedback_that_comes_twice(n):
    agent = build("linucb", slots=1)
    come = visits(n)
    decision = agent.act(come, ALL)
    answer = decision.answer(respond(come, decision.slates))
    agent.update(answer)
    before = snapshot(agent)
    with pytest.raises(InputError, match="twice"):
        agent.update(answer)
    assert same(agent, before)


def test_feedback_that_comes_twice_in_one_batch():
    agent = build("linucb")
    come = visits(4)
    decision = agent.act(come, ALL)
    answer = decision.answer(respond(come, decision.slates))
    with pytest.raises(InputError, match="twice"):
        agent.update(answer[torch.tensor([0, 1, 1])])
    agent.update(answer[torch.tensor([2, 0])])
    agent.update(answer[torch.tensor([1, 3])])


def test_deferred_refusal_leaves_no_trace_and_is_raised_later():
    """What a GPU does: the answer is looked at by a later call, the update is void at once."""
    agent = build("linucb")
    agent.guard = Guard(agent.device, deferred=True)
    serve(agent, 2)
    before = snapshot(agent)
    agent.update(respond(spoiled(float("nan")), torch.zeros(8, 2, dtype=torch.int64) + torch.tensor([0, 1])))
    assert same(agent, before)
    with pytest.raises(InputError, match="context"):
        agent.act(visits(2), ALL)
    agent.update(respond(visits(8), torch.full((8, 2), 77)))
    assert same(agent, before)
    with pytest.raises(InputError, match="unknown arm"):
        agent.act(visits(2), ALL)


def test_state_of_other_settings():
    agent, other = build("lints", arms=4), build("lints", arms=5)
    serve(agent, 1)
    before = snapshot(agent)
    with pytest.raises(InputError, match="active"):
        agent.load_state_dict(other.state_dict())
    with pytest.raises(InputError, match=r"model\.|history"):
        agent.load_state_dict(build("beta-thompson", arms=4).state_dict())
    assert same(agent, before)


def test_saved_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_agent(tmp_path / "nothing")
    save_agent(build("lints"), tmp_path)
    settings = json.loads((tmp_path / "agent.json").read_text())
    (tmp_path / "agent.json").write_text(json.dumps(settings | {"format_version": 99}))
    with pytest.raises(InputError, match="format_version 99"):
        load_agent(tmp_path)
    (tmp_path / "agent.json").write_text(json.dumps(settings | {"format_version": 1}))
    with pytest.raises(InputError, match=r"format_version 1; .*run the command that saved it again"):
        load_agent(tmp_path)
    (tmp_path / "agent.json").write_text(json.dumps(settings | {"slots": 3}))
    with pytest.raises(InputError, match=r"agent.json: .*save the agent again"):
        load_agent(tmp_path)
    (tmp_path / "agent.json").write_text("{")
    with pytest.raises(InputError, match=r"agent.json: damaged.*give a saved agent's folder"):
        load_agent(tmp_path)


def test_half_a_saved_agent(tmp_path):
    save_agent(build("lints"), tmp_path / "agent")
    whole = (tmp_path / "agent" / "agent.safetensors").read_bytes()
    for half in (b"", whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        (tmp_path / "agent" / "agent.safetensors").write_bytes(half)
        with pytest.raises(InputError, match=r"agent.safetensors: .*save the agent again"):
            load_agent(tmp_path / "agent")


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("all my work")
    with pytest.raises(InputError, match=r"holds 'thesis.txt'"):
        save_agent(build("lints"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_names_and_settings():
    with pytest.raises(InputError, match="no agent 'x'"):
        build("x")
    with pytest.raises(InputError, match=r"no setting .*alpha.*scale"):
        build("linucb", alpha=3.0)
    for bad in ({"discount": 0.0}, {"discount": 1.1}, {"window": 0}, {"floor": 1.0}):
        with pytest.raises(InputError, match=next(iter(bad))):
            Serving(**bad)
    assert make_agent
