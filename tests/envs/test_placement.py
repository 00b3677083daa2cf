import subprocess
import sys
import warnings

import copybandit.envs  # noqa: F401  (registers)
import gymnasium as gym
import numpy as np
import pytest
import torch
from copybandit.envs.placement import AdPlacementVectorEnv, first_ads
from copybandit.simulation.data.catalog import Creative
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

ID = "copybandit/AdPlacement-v0"


@pytest.fixture
def make(tiny_world):
    def build(num_envs: int = 6, **arguments) -> AdPlacementVectorEnv:
        return AdPlacementVectorEnv(num_envs, world=tiny_world, **arguments)

    return build


@pytest.fixture
def single(tiny_file):
    return gym.make(ID, scenario=str(tiny_file), users=40)


def episode(envs, seed: int, steps: int = 20) -> list[np.ndarray]:
    seen = [envs.reset(seed=seed)[0]]
    envs.action_space.seed(seed)
    for _ in range(steps):
        observations, rewards, *_ = envs.step(envs.action_space.sample())
        seen += [observations, rewards]
    return seen


def test_gymnasiums_own_check(single):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(single.unwrapped)


def test_made_by_name_alone(tiny_file):
    make = f"gymnasium.make('copybandit.envs:{ID}', scenario='{tiny_file}', users=10)"
    code = f"import gymnasium; print(type({make}.unwrapped).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "AdPlacementEnv", done.stderr


def test_made_as_a_vector(tiny_file):
    envs = gym.make_vec(ID, num_envs=5, max_episode_steps=3, scenario=str(tiny_file), users=40)
    assert isinstance(envs.unwrapped, AdPlacementVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    observations, _ = envs.reset(seed=0)
    assert observations in envs.observation_space
    observations, rewards, terminated, truncated, info = envs.step(envs.action_space.sample())
    assert observations in envs.observation_space
    assert rewards.shape == terminated.shape == truncated.shape == (5,)
    assert info["clicked"].shape == info["converted"].shape == (5, 2)
    envs.close()


def test_one_stream_behaves_as_its_vector(single, tiny_file):
    envs = gym.make_vec(ID, num_envs=1, scenario=str(tiny_file), users=40)
    assert np.array_equal(single.reset(seed=4)[0], envs.reset(seed=4)[0][0])
    for action in np.random.default_rng(0).integers(4, size=(20, 2)):
        observation, reward, *_, info = single.step(action)
        observations, rewards, *_, infos = envs.step(action[None])
        assert np.array_equal(observation, observations[0])
        assert reward == rewards[0]
        assert np.array_equal(info["clicked"], infos["clicked"][0])


def test_same_seed_same_bits(make):
    envs = make()
    first, again, other = episode(envs, 3), episode(envs, 3), episode(envs, 4)
    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


def test_streams_differ(make):
    observations, _ = make(50).reset(seed=0)
    assert len(np.unique(observations, axis=0)) > 10


def test_an_episode_is_truncated_and_the_next_step_starts_another(make, tiny_world):
    envs = make(max_episode_steps=3)
    opening, _ = envs.reset(seed=0)
    actions = np.zeros((6, 2), dtype=np.int64)
    ends = [envs.step(actions)[2:4] for _ in range(3)]
    assert [truncated.tolist() for _, truncated in ends] == [[False] * 6, [False] * 6, [True] * 6]
    assert not any(terminated.any() for terminated, _ in ends)
    assert tiny_world.traffic.hours == pytest.approx(24 / 100)
    observations, rewards, terminated, truncated, info = envs.step(actions)
    assert not rewards.any()
    assert not terminated.any()
    assert not truncated.any()
    assert info == {}
    assert tiny_world.traffic.hours == pytest.approx(6 / 100)
    assert not np.array_equal(observations, opening)
    assert not envs.step(actions)[3].any()


def test_reset_leaves_nobody_worn(make, tiny_world):
    envs = make()
    envs.reset(seed=0)
    visits = tiny_world.visitors(100)
    slates = envs.candidates[torch.tensor([[0, 1]])].expand(100, 2)
    fresh = tiny_world.expected(visits, slates).click
    for _ in range(30):
        envs.step(np.tile([0, 1], (6, 1)))
    assert (tiny_world.expected(visits, slates).click < fresh).any()
    envs.reset()
    assert torch.equal(tiny_world.expected(visits, slates).click, fresh)


def test_reward_is_clicks_and_weighted_conversions(make):
    envs = make(2000, conversion_value=5.0)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    _, rewards, _, _, info = envs.step(envs.action_space.sample())
    assert info["converted"].any()
    np.testing.assert_allclose(rewards, info["clicked"].sum(1) + 5.0 * info["converted"].sum(1))


def test_a_creative_named_twice_earns_once(make):
    envs = make(5000)
    envs.reset(seed=0)
    clicked = envs.step(np.zeros((5000, 2), dtype=np.int64))[-1]["clicked"]
    assert clicked[:, 0].any()
    assert not clicked[:, 1].any()


def test_candidates(make, tiny_world):
    assert [ad.text for ad in first_ads(tiny_world.catalog)] == [tiny_world.catalog.ads[i].text for i in (0, 3, 6, 9)]
    assert make().candidates.tolist() == [0, 1, 2, 3]
    assert make().candidates.tolist() == [0, 1, 2, 3]  # what is published already
    assert make(creatives=[Creative("k1", "new"), Creative("k2", "too")]).candidates.tolist() == [4, 5]


@pytest.mark.parametrize("action", [-1, 4])
def test_an_action_that_is_no_candidate(make, action):
    envs = make()
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="4 are known"):
        envs.step(np.full((6, 2), action))


@pytest.mark.parametrize(
    ("actions", "what"),
    [
        (np.zeros((6, 1), dtype=np.int64), r"expected \[6, 2\].*got \[6, 1\]"),
        (np.zeros(6, dtype=np.int64), r"expected \[6, 2\]"),
        (np.full((6, 2), np.nan), "whole numbers"),
        (np.full((6, 2), 1.5), "whole numbers"),
        (torch.full((6, 2), 0.5), "whole numbers"),
        ([[0, 1]] * 5, r"got \[5, 2\]"),
        ([[0, 1]] * 5 + [[0]], "not a table of numbers"),
        ([["a", "b"]] * 6, "not a table of numbers"),
        (np.full((6, 2), np.inf), "4 are known"),
    ],
)
def test_actions_that_would_be_misread(make, actions, what):
    envs = make()
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=what):
        envs.step(actions)


def test_actions_as_lists_or_whole_floats_are_the_same(make, single):
    found = []
    for actions in ([[0, 1]] * 6, np.tile([0.0, 1.0], (6, 1)), np.tile([0, 1], (6, 1)).astype(np.uint8)):
        envs = make()
        envs.reset(seed=1)
        found.append(envs.step(actions)[1])
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
    single.reset(seed=0)
    assert single.step([0, 1])[0].shape == single.observation_space.shape


def test_stable_baselines_reads_no_tensors(make):
    pytest.importorskip("stable_baselines3")
    from copybandit.envs.stable import StableVecEnv

    with pytest.raises(ValueError, match="hands over torch, stable-baselines3 reads numpy"):
        StableVecEnv(make(output="torch"))


def test_step_before_reset_and_reset_of_some(make):
    with pytest.raises(gym.error.ResetNeeded):
        make().step(np.zeros((6, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="start over together"):
        make().reset(options={"reset_mask": np.array([True] + [False] * 5)})


def test_observations_are_views_and_never_change(make):
    envs = make()
    first, _ = envs.reset(seed=0)
    kept = first.copy()
    second = envs.step(np.zeros((6, 2), dtype=np.int64))[0]
    assert np.array_equal(first, kept)
    assert not np.shares_memory(first, second)
    assert second.base is not None


def test_tensors_stay_on_their_device(make_tiny_world, device):
    envs = AdPlacementVectorEnv(7, world=make_tiny_world(device=device), output="torch", max_episode_steps=2)
    observations, _ = envs.reset(seed=0)
    for _ in range(4):
        results = envs.step(torch.zeros(7, 2, dtype=torch.int64, device=device))
        assert all(
            isinstance(part, torch.Tensor) and part.device.type == device for part in (observations, *results[:4])
        )


@pytest.mark.parametrize("wrapper", ["RecordEpisodeStatistics", "NormalizeReward", "DictInfoToList"])
def test_gymnasiums_vector_wrappers(make, wrapper):
    envs = getattr(gym.wrappers.vector, wrapper)(make(max_episode_steps=3))
    envs.reset(seed=0)
    results = [envs.step(np.zeros((6, 2), dtype=np.int64)) for _ in range(5)]
    if wrapper == "RecordEpisodeStatistics":
        assert results[2][-1]["episode"]["l"].tolist() == [3] * 6


def test_stable_baselines_trains_on_it(single):
    ppo = pytest.importorskip("stable_baselines3").PPO
    model = ppo("MlpPolicy", single, n_steps=32, batch_size=32, n_epochs=1, seed=0, device="cpu").learn(64)
    assert model.num_timesteps == 64
    assert model.predict(single.reset(seed=0)[0])[0] in single.action_space


def test_stable_baselines_trains_on_all_streams_at_once(make):
    from copybandit.envs.stable import StableVecEnv

    ppo = pytest.importorskip("stable_baselines3").PPO
    envs = StableVecEnv(make(8, max_episode_steps=5))
    model = ppo("MlpPolicy", envs, n_steps=16, batch_size=32, n_epochs=1, seed=0, device="cpu").learn(256)
    assert model.num_timesteps == 256
    ends = [np.asarray(envs.step(np.zeros((8, 2), dtype=np.int64))[2]) for _ in range(10)]
    assert [bool(end.all()) for end in ends].count(True) == 2
    envs.seed(3)
    first = envs.reset()
    envs.seed(3)
    assert np.array_equal(first, envs.reset())


def test_an_end_hands_over_the_next_start_and_the_last_observation(make):
    from copybandit.envs.stable import StableVecEnv

    envs = StableVecEnv(make(4, max_episode_steps=2))
    envs.reset()
    slates = np.zeros((4, 2), dtype=np.int64)
    *_, infos = envs.step(slates)
    assert infos == [{}] * 4
    observations, _, done, infos = envs.step(slates)
    assert done.all()
    last = np.stack([info["terminal_observation"] for info in infos])
    assert last.shape == observations.shape
    assert not np.array_equal(last, observations)
    assert not envs.step(slates)[2].any()


@pytest.mark.parametrize("reward", ["profit", "engagement"])
def test_other_rewards(tiny_file, reward):
    arguments = {"scenario": str(tiny_file), "users": 40, "reward": reward}
    envs = gym.make_vec(ID, num_envs=2000, **arguments)
    envs.reset(seed=0)
    _, rewards, *_, info = envs.step(np.tile([0, 1], (2000, 1)))
    if reward == "profit":
        assert rewards == pytest.approx((info["revenue"] - info["cost"]).sum(1))
        assert rewards.max() > 1
    else:
        assert rewards == pytest.approx(info["clicked"].sum(1))  # nobody likes anything in this scenario
    assert info["_revenue"].all()
    again = gym.make_vec(ID, num_envs=2000, **arguments)
    again.reset(seed=0)
    assert np.array_equal(again.step(np.tile([0, 1], (2000, 1)))[1], rewards)
