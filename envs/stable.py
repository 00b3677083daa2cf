"""The vector environment for stable-baselines3, whose VecEnv is older than Gymnasium's VectorEnv."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from .placement import AdPlacementVectorEnv


class StableVecEnv(VecEnv):
    """All streams of a placement environment, as stable-baselines3 trains on.

    Stable-baselines3 resets in the step that ends an episode (same-step autoreset): the observation handed over is the
    next episode's first, and the last one's is `terminal_observation` in the info of each stream.
    """

    def __init__(self, envs: AdPlacementVectorEnv) -> None:
        """Wraps a vector environment that hands over numpy arrays.

        Raises:
            ValueError: it hands over torch tensors, which stable-baselines3 does not read.
        """
        if envs.output != "numpy":
            raise ValueError(f"envs: hands over {envs.output}, stable-baselines3 reads numpy; leave out output")
        self.envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self._actions = np.zeros((0,))

    def reset(self) -> np.ndarray:
        """Starts over, from the seed given to `seed` if there was one."""
        observations, _ = self.envs.reset(seed=self._seeds[0])
        self._reset_seeds()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Keeps the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Observations, rewards, ends and infos of all streams."""
        observations, rewards, _, truncated, _ = self.envs.step(self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if truncated[0]:
            infos = [{"terminal_observation": last, "TimeLimit.truncated": True} for last in observations]
            observations, _ = self.envs.reset()
        return observations, rewards.astype(np.float32), truncated, infos

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The environment's attribute, once a stream."""
        return [getattr(self.envs, attr_name)] * len(self._streams(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: streams share one world."""
        raise AttributeError(f"{attr_name}: the streams share one world; set it on the environment itself")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Refused: streams share one world."""
        raise AttributeError(f"{method_name}: the streams share one world; call it on the environment itself")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Whether streams are wrapped: none is."""
        return [False] * len(self._streams(indices))

    def _streams(self, indices: Any) -> Sequence[int]:
        if indices is None:
            return range(self.num_envs)
        return [indices] if isinstance(indices, int) else indices
