import gymnasium as gym
import numpy as np
import pytest
import torch
from copybandit.agents.deep import ALGORITHMS, DeepAgent, TopSlot, distinct
from copybandit.simulation.data.errors import InputError

from .conftest import visits

SETTINGS = {"ppo": {"n_steps": 64, "batch_size": 64}, "a2c": {"n_steps": 16}, "dqn": {"learning_starts": 100}}


class Obvious(gym.Env):
    """Creative 2 on top earns 1."""

    def __init__(self):
        self.observation_space = gym.spaces.Box(0.0, 1.0, (4,), np.float32)
        self.action_space = gym.spaces.MultiDiscrete([5, 5])

    def reset(self, *, seed=None, options=None):
        self.left = 20
        return np.ones(4, np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.ones(4, np.float32), float(action[0] == 2), False, self.left == 0, {}


def make(algorithm, seed=0):
    return DeepAgent(algorithm, 5, 2, 4, torch.Generator().manual_seed(seed), **SETTINGS[algorithm])


def test_distinct_by_hand():
    scores = torch.tensor([[[1.0, 3.0, 2.0], [0.0, 9.0, 1.0]]])
    assert distinct(scores).tolist() == [[1, 2]]


def test_top_slot_fills_below():
    env = TopSlot(Obvious())
    assert env.action_space.n == 5
    assert env.action(4).tolist() == [4, 0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_serves_distinct_candidates_and_survives_saving(algorithm, tmp_path):
    agent = make(algorithm)
    candidates = torch.tensor([4, 0, 3])
    slates = agent.act(visits(16), candidates).slates
    assert torch.isin(slates, candidates).all()
    assert (slates[:, 0] != slates[:, 1]).all()
    agent.save(tmp_path)
    assert torch.equal(DeepAgent.load(tmp_path).act(visits(16), candidates).slates, slates)
    with pytest.raises(InputError, match="state: '"):
        agent.load_state_dict({})
    with pytest.raises(InputError, match="fixed"):
        agent.add_arms(1)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_leaves_other_random_numbers_alone(algorithm):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    make(algorithm)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_finds_the_obvious(algorithm):
    agent = make(algorithm)
    agent.train(Obvious(), 4000)
    assert (agent.act(visits(32), torch.arange(5)).slates[:, 0] == 2).float().mean() > 0.9


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_trains_on_the_placement_environment(algorithm, tiny_world):
    gym.register_envs(__import__("copybandit.envs"))
    env = gym.make("copybandit/AdPlacement-v0", world=tiny_world, max_episode_steps=20)
    arms, slots, width = int(env.action_space.nvec[0]), len(env.action_space.nvec), env.observation_space.shape[0]
    agent = DeepAgent(algorithm, arms, slots, width, torch.Generator().manual_seed(0), **SETTINGS[algorithm])
    agent.train(env, 128)
    come = tiny_world.visitors(5)
    assert agent.act(come, torch.arange(arms)).slates.shape == (5, slots)
    with pytest.raises(InputError, match="env"):
        agent.train(Obvious(), 10)


def test_unknown():
    with pytest.raises(InputError, match="no deep agent 'sac'"):
        DeepAgent("sac", 5, 2, 4, torch.Generator())
