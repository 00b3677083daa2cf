"""The Gymnasium face of the world: streams of visitors, each of whom is shown a slate of creatives."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from ..simulation.data.catalog import Catalog, Creative
from ..simulation.outcomes import Accounts, Outcomes
from ..simulation.visitors.traffic import Impressions
from ..simulation.world import World, demo_world

Array = Any
"""A numpy array, or a torch tensor where `output` is so."""


class AdPlacementVectorEnv(VectorEnv[Any, Any, Any]):
    """`num_envs` streams of visitors to one world, all served in one batch a step; see `AdPlacementEnv`.

    The streams share the world's users and clock, so episodes begin and end together. As in every next-step autoreset,
    the step after the last one of an episode ignores its actions, starts the next episode and pays nothing.

    Observations are views of the world's own tensors, not copies; they are new at every step.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = 500,
        *,
        scenario: str = "shop",
        users: int = 1000,
        device: str = "cpu",
        creatives: Sequence[Creative] | None = None,
        world: World | None = None,
        conversion_value: float = 1.0,
        reward: Literal["clicks", "profit", "engagement"] = "clicks",
        output: Literal["numpy", "torch"] = "numpy",
    ) -> None:
        """Builds the world, unless it is given, and publishes the creatives; the arguments are `AdPlacementEnv`'s.

        Raises:
            InputError: the scenario cannot be read.
        """
        self.num_envs = num_envs
        self.world = world or demo_world(scenario, users=users, device=device)
        self.candidates = self._candidates(creatives)
        # Candidates mostly follow each other: then an action is an offset.
        ordered = bool((self.candidates.diff() == 1).all())
        self._count = len(self.candidates)
        self._first = int(self.candidates[0]) if ordered and len(self.candidates) else None
        self.conversion_value, self.reward = conversion_value, reward
        self._accounts = None if reward == "clicks" else Accounts(self.world, torch.Generator(self.world.device))
        # Gymnasium's marks of which streams have a key of `info`: all.
        self._all = dict.fromkeys(("_user", "_clicked", "_converted"), np.ones(num_envs, dtype=bool))
        self._steps_left = self._episode = max_episode_steps or math.inf
        self.output, self._torch = output, output == "torch"
        self._visits: Impressions | None = None
        features = len(self.world.traffic.context_names)
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (features,), np.float32)
        self.single_action_space = gym.spaces.MultiDiscrete([len(self.candidates)] * self.world.slots)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Starts all streams over; without a seed, from the next one that the last seed leads to.

        Raises:
            ValueError: `options` asks for a reset of some streams only, which live in one world.
        """
        super().reset(seed=seed)
        if options and "reset_mask" in options and not np.all(options["reset_mask"]):
            raise ValueError("the streams share one world and start over together; leave reset_mask out")
        start = int(self.np_random.integers(2**31))
        self.world.reset(start)
        if self._accounts is not None:
            self._accounts.generator.manual_seed(start)
        self._visits = self.world.visitors(self.num_envs)
        self._steps_left = self._episode
        return self._hand_over(self._visits.context), {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Shows [num_envs, slots] actions to the waiting visitors and hands over the next ones.

        Raises:
            ResetNeeded: there was no reset yet.
            ValueError: the actions are of another shape, or one is not the number of a candidate (not looked at on a
                GPU, where it would cost time).
        """
        if self._visits is None:
            raise gym.error.ResetNeeded("no visitor waits; call reset before step")
        if self._steps_left == 0:
            observations, info = self.reset()
            return observations, self._zeros(float), self._zeros(bool), self._zeros(bool), info
        user = self._visits.user
        feedback = self.world.respond(self._visits, self._slates(actions))
        self._visits = self.world.visitors(self.num_envs)
        self._steps_left -= 1
        clicked, converted = self._hand_over(feedback.clicked), self._hand_over(feedback.converted)
        truncated = self._zeros(bool)
        truncated[:] = self._steps_left == 0
        info = {"user": self._hand_over(user), "clicked": clicked, "converted": converted} | self._all
        if self._accounts is None:
            reward = (clicked + self.conversion_value * converted).sum(1)
        else:
            reward, more = self._booked(self._accounts.of(feedback), clicked)
            info |= more
        return self._hand_over(self._visits.context), reward, self._zeros(bool), truncated, info

    def _booked(self, outcomes: Outcomes, clicked: Array) -> tuple[Array, dict[str, Array]]:
        """Rewards in money or in engagement, and what else there is to know."""
        booked = {name: self._hand_over(value) for name, value in vars(outcomes).items()}
        if self.reward == "profit":
            reward = (booked["revenue"] - booked["cost"]).sum(1)
        else:
            reward = (0.0 + clicked + booked["likes"] + booked["comments"] + booked["shares"]).sum(1)
        return reward, booked | dict.fromkeys((f"_{name}" for name in booked), self._all["_user"])

    def _candidates(self, creatives: Sequence[Creative] | None) -> Tensor:
        if creatives is None and self.world.creatives:
            return torch.arange(len(self.world.creatives), device=self.world.device)
        return self.world.publish(first_ads(self.world.catalog) if creatives is None else creatives)

    def _slates(self, actions: Array) -> Tensor:
        """Creative indices of [num_envs, slots] actions."""
        given = actions if isinstance(actions, Tensor) else _as_numbers(actions)
        shape = (self.num_envs, self.world.slots)
        if given.shape != shape:
            raise ValueError(f"actions: expected {list(shape)}, streams and slots, got {list(given.shape)}")
        fractions = given.is_floating_point() if isinstance(given, Tensor) else given.dtype.kind == "f"
        if fractions and not bool((given == given.round()).all()):
            raise ValueError("actions: NaN and fractions are no candidates; give whole numbers")
        if not (isinstance(given, Tensor) and given.is_cuda) and bool(((given < 0) | (given >= self._count)).any()):
            raise ValueError(f"an action is no candidate: {self._count} are known, counted from 0")
        actions = (given if isinstance(given, Tensor) else torch.from_numpy(given)).to(self.world.device).long()
        return self.candidates[actions] if self._first is None else actions + self._first

    def _zeros(self, kind: type) -> Array:
        if self._torch:
            dtype = torch.bool if kind is bool else torch.float
            return torch.zeros(self.num_envs, dtype=dtype, device=self.world.device)
        return np.zeros(self.num_envs, dtype=kind)

    def _hand_over(self, values: Tensor) -> Array:
        return values if self._torch else values.numpy(force=True)


class AdPlacementEnv(gym.Env[np.ndarray, np.ndarray]):
    """A stream of visitors, each of whom is shown a slate of ad creatives.

    ## Description
    Visitors come one at a time to a simulated site. Each is shown L creatives chosen out of K. Whether a visitor looks
    at a slot depends on its position; whether a creative looked at is clicked depends on the visitor's interest in the
    product, on how the text meets the visitor's tastes, and on how often the visitor has seen it; whether a click
    converts depends on interest, on price and on how honest the text is.

    `gym.make_vec` gives the native vector environment (`AdPlacementVectorEnv`), which serves thousands of visitors a
    step; this environment is a view of it with one stream.

    ## Action Space
    `MultiDiscrete([K] * L)`: the candidate for each slot, top slot first. A candidate named twice in a slate is shown
    once, in the upper slot; the lower slot stays empty, earns nothing and wears nobody out.

    ## Observation Space
    `Box(0, 1, (d,), float32)`: what a site knows of the visitor who waits. `env.unwrapped.feature_names` names each
    feature: a constant 1, the segment (one-hot), the share of page views by category, the channel (one-hot), and the
    category looked for (one-hot, zeros for none); where the hour matters also its sine and cosine, moved into [0, 1].

    ## Rewards
    The slate's clicks plus `conversion_value` times its conversions. A conversion counts at once, whatever its delay.
    With `reward="profit"`: the margin on what is sold and kept, less what showing and clicking costs, in the catalog's
    currency. With `reward="engagement"`: clicks, likes, comments and shares.

    `info` holds `user` (index into the audience), and `clicked` and `converted` (bool, by slot) of the visit rewarded;
    with a reward other than clicks also `returned`, `revenue`, `cost`, `likes`, `comments` and `shares`, by slot.

    ## Starting State
    The clock at zero, nobody has seen anything, the first visitor waits. The audience and the creatives are those the
    environment was made with; the seed decides who comes and what they do.

    ## Episode End
    No episode terminates. `gym.make` and `gym.make_vec` truncate after `max_episode_steps` visits, 500 by default.

    ## Arguments
    - `scenario` (`"shop"`): a built-in scenario, or the path of a scenario file.
    - `users` (`1000`): size of the audience.
    - `device` (`"cpu"`): where the world lives.
    - `creatives` (`None`): the candidates, a list of `Creative`; by default the first reference ad of every product.
    - `world` (`None`): a `World` to use, instead of one made of scenario, users and device. What is published in it
      already are the candidates, unless `creatives` are given. It is reset with the environment.
    - `conversion_value` (`1.0`): worth of a conversion in clicks.
    - `reward` (`"clicks"`): what is paid, see Rewards.
    - `output` (`"numpy"`): of the vector environment; `"torch"` hands over tensors on the device, and takes them.

    ```python
    import gymnasium as gym
    import copybandit.envs

    env = gym.make("copybandit/AdPlacement-v0", scenario="shop", conversion_value=5.0)
    envs = gym.make_vec("copybandit/AdPlacement-v0", num_envs=1024, max_episode_steps=200)
    ```

    ## Version History
    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, **arguments: Any) -> None:
        """Makes a vector environment of one stream; see Arguments."""
        self._stream = AdPlacementVectorEnv(1, max_episode_steps=None, **arguments)
        self.observation_space = self._stream.single_observation_space
        self.action_space = self._stream.single_action_space

    @property
    def world(self) -> World:
        """The world behind it."""
        return self._stream.world

    @property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each feature observed."""
        return self.world.traffic.context_names

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts over; without a seed, from the next one that the last seed leads to."""
        super().reset(seed=seed)
        observations, info = self._stream.reset(seed=seed, options=options)
        return observations[0], info

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Shows a slate to the visitor who waits and hands over the next."""
        observations, rewards, _, _, info = self._stream.step(action[None] if isinstance(action, Tensor) else [action])
        mine = {name: values[0] for name, values in info.items() if not name.startswith("_")}
        return observations[0], float(rewards[0]), False, False, mine


def _as_numbers(actions: Array) -> Array:
    """Arrays or nested lists as int64 where they are integers, else as float64."""
    try:
        given = np.asarray(actions)
        return np.ascontiguousarray(given, dtype=np.int64 if given.dtype.kind in "iu" else np.float64)
    except (TypeError, ValueError):
        raise ValueError("actions: not a table of numbers; give one candidate for each stream and slot") from None


def first_ads(catalog: Catalog) -> list[Creative]:
    """The first reference ad of every product that has one."""
    return list({ad.product_id: ad for ad in reversed(catalog.ads)}.values())[::-1]
