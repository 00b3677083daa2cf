"""What is particular to the agents of stable-baselines3."""

import random

import numpy as np
import pytest
import torch
from copybandit.agents.agent import Expectation, Worth
from copybandit.agents.deep.agent import LEARNERS
from copybandit.agents.deep.learner import SlotRows, grown
from copybandit.agents.registry import DEEP, make_agent
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.world import Feedback

from .conftest import ARMS, WIDTH, build, respond, serve, visits

ALL = torch.arange(ARMS)


def learner(name, seed=0, **settings):
    return LEARNERS[name](3, 2, torch.Generator().manual_seed(seed), settings)


def rows(n, arms=3):
    """Arm 2 earns 1, the others nothing."""
    arm = torch.arange(n) % arms
    opened = torch.ones(n, arms, dtype=torch.bool)
    return SlotRows(torch.ones(n, 2), opened, arm, (arm == 2).float(), torch.full((n,), 1 / arms))


def test_names_are_those_of_the_registry():
    assert set(LEARNERS) == set(DEEP)


def test_masked_policy_by_hand():
    """Closed arms have no chance; the open ones share what the network says in proportion."""
    ppo = learner("sb3-ppo")
    seen = torch.rand(5, 2, generator=torch.Generator().manual_seed(1))
    free = ppo.chances(seen, torch.ones(5, 3, dtype=torch.bool))
    some = ppo.chances(seen, torch.tensor([[True, False, True]]).expand(5, 3))
    expected = free * torch.tensor([1.0, 0.0, 1.0])
    torch.testing.assert_close(some, expected / expected.sum(1, keepdim=True))


def test_value_network_explores_so_much_and_no_more():
    dqn = learner("sb3-dqn", exploration_final_eps=0.3)
    chances = dqn.chances(torch.ones(1, 2), torch.tensor([[True, True, False]]))
    assert sorted(chances[0].tolist()) == pytest.approx([0.0, 0.15, 0.85])


def test_on_policy_trains_when_the_rollout_is_full_and_forgets_it():
    ppo = learner("sb3-ppo", n_steps=64)
    before = {name: value.clone() for name, value in ppo.tensors().items()}
    ppo.learn(rows(63))
    assert all(torch.equal(value, before[name]) for name, value in ppo.tensors().items() if name in before)
    assert len(ppo.tensors()["rows.arms"]) == 63
    ppo.learn(rows(3))
    assert not torch.equal(ppo.tensors()["policy.action_net.weight"], before["policy.action_net.weight"])
    assert "rows.arms" not in ppo.tensors()


def test_value_network_takes_a_step_for_every_so_many_rows():
    dqn = learner("sb3-dqn", train_freq=32, learning_starts=10)
    dqn.learn(rows(40))
    assert dqn.model._n_updates == 1
    dqn.learn(rows(23))
    assert dqn.model._n_updates == 1
    dqn.learn(rows(1))
    assert dqn.model._n_updates == 2


def test_value_network_remembers_the_latest_rows_only():
    dqn = learner("sb3-dqn", buffer_size=10, learning_starts=1000)
    dqn.learn(rows(7))
    later = SlotRows(**(vars(rows(6)) | {"rewards": torch.arange(6) + 10.0}))
    dqn.learn(later)
    assert sorted(dqn.tensors()["rows.rewards"].flatten().tolist()) == [0, 0, 0, 1, *range(10, 16)]


@pytest.mark.parametrize("name", DEEP)
def test_values_are_the_rewards(name):
    """Uniform choice earns a third; the best arm earns 1."""
    agent = learner(name, **({"n_steps": 60} if name != "sb3-dqn" else {"exploration_final_eps": 0.0}))
    for _ in range(60):
        agent.learn(rows(60))
    worth = agent.worth(torch.ones(1, 2), torch.ones(1, 3, dtype=torch.bool)).item()
    assert worth == pytest.approx(1.0 if name == "sb3-dqn" else 1 / 3, abs=0.1)
    assert agent.chances(torch.ones(1, 2), torch.ones(1, 3, dtype=torch.bool)).argmax().item() == 2


def test_grown_weights_by_hand():
    old = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert grown(old, torch.Size([3, 2]), None).tolist() == [[1, 2], [3, 4], [2, 3]]
    assert grown(old, torch.Size([3, 2]), torch.tensor([1])).tolist() == [[1, 2], [3, 4], [3, 4]]
    assert grown(old, torch.Size([2, 2]), None) is old


@pytest.mark.parametrize("name", DEEP)
def test_new_arms_leave_the_old_ones_as_they_were(name):
    agent = build(name, slots=1)
    serve(agent, 20)
    come = visits(50, seed=7)
    before = agent.estimate_propensities(come, ALL, torch.full((50, 1), 2)).propensities
    agent.add_arms(2)
    after = agent.estimate_propensities(come, ALL, torch.full((50, 1), 2)).propensities
    torch.testing.assert_close(after, before)
    agent.add_successors(torch.tensor([2]))
    best = agent.estimate_propensities(come, torch.arange(ARMS + 3), torch.full((50, 1), ARMS + 2)).propensities
    assert best.mean() > 0.2  # it begins where arm 2 is
    serve(agent, 4, start=50)


@pytest.mark.parametrize("name", DEEP)
def test_late_feedback_is_learned_from_as_it_was_decided(name):
    """What was open then, and with which chance, comes back with the decision, whatever has been learned since."""
    agent = build(name, slots=2)
    opened = torch.ones(8, ARMS, dtype=torch.bool)
    opened[:, 3:] = False
    come = visits(8)
    decision = agent.act(come, ALL, opened)
    serve(agent, 6, start=10)
    learned = []
    agent.learner.learn = learned.append
    agent.update(decision.answer(respond(come, decision.slates))[torch.tensor([5, 1])])
    row = learned[0]
    assert row.arms.tolist() == decision.slates[[5, 1]].flatten().tolist()
    assert row.opened.sum(1).tolist() == [3, 2, 3, 2]
    torch.testing.assert_close(row.chances, decision.propensities[[5, 1]].flatten())
    assert row.observed[:, WIDTH:].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_slots_that_nobody_reached_are_left_out():
    agent = build("sb3-a2c", worth=Worth(torch.ones(1, 2), going_on=0.0))
    come, slates = visits(2), torch.tensor([[0, 1], [2, 3]])
    learned = []
    agent.learner.learn = learned.append
    clicked = torch.tensor([[True, False], [False, False]])
    agent.update(Feedback(come, slates, clicked, torch.zeros_like(clicked), torch.full((2, 2), torch.inf)))
    assert learned[0].arms.tolist() == [0, 2, 3]
    assert learned[0].rewards.tolist() == [1, 0, 0]


@pytest.mark.parametrize("name", DEEP)
def test_leaves_other_random_numbers_alone(name):
    kept = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    serve(build(name), 4)
    assert torch.equal(torch.get_rng_state(), kept[0])
    assert (np.random.get_state()[1] == kept[1]).all()  # noqa: NPY002
    assert random.getstate() == kept[2]


@pytest.mark.parametrize("name", DEEP)
def test_refusals(name):
    sizes = {"arms": 5, "slots": 2, "width": 4, "worth": Worth(torch.ones(1, 2)), "generator": torch.Generator()}
    with pytest.raises(InputError, match=r"no setting gamma.*learning_rate"):
        make_agent(name, **sizes, gamma=0.9)
    agent = make_agent(name, **sizes)
    with pytest.raises(InputError, match="expect"):
        agent.add_arms(1, Expectation(torch.tensor([0.1])))
    with pytest.raises(InputError, match="state: '"):
        agent.load_state_dict({})
    with pytest.raises(InputError, match="state: 'x'"):
        agent.load_state_dict(agent.state_dict() | {"x": torch.zeros(1)})
