"""Learners of stable-baselines3, fed with rows instead of an environment: a row is a visitor and a slot to fill.

Every row is an episode of one step, so that nothing depends on how later rewards are discounted. What is
stable-baselines3's stays so: networks, losses, optimizers and `train()`. What is ours is that rows come from feedback,
that actions are closed by a mask, and that everything random follows from a generator.
"""

import inspect
import random
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor

from ...simulation.data.errors import InputError


@dataclass(frozen=True)
class SlotRows:
    """N fillings of a slot."""

    observed: Tensor
    """[N, o] float32, visitor and slot."""
    opened: Tensor
    """[N, K] bool, the arms that could be chosen."""
    arms: Tensor
    """[N] int64, the one that was."""
    rewards: Tensor
    """[N] float32."""
    chances: Tensor
    """[N] float32, the probability with which it was chosen."""

    def __getitem__(self, rows: Tensor | slice) -> "SlotRows":
        return SlotRows(**{name: value[rows] for name, value in vars(self).items()})

    def __len__(self) -> int:
        return len(self.arms)

    @staticmethod
    def joined(parts: list["SlotRows"]) -> "SlotRows":
        """The rows of several, in order."""
        return SlotRows(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(SlotRows)})


class DeepLearner(ABC):
    """Chooses arms and learns from rows; its settings carry stable-baselines3's names."""

    algorithm: ClassVar[Any]
    defaults: ClassVar[dict[str, float]]

    def __init__(self, arms: int, width: int, generator: torch.Generator, settings: dict[str, float]) -> None:
        """Builds the networks.

        Args:
            arms: K.
            width: length of what is observed.
            generator: everything random; on the device.
            settings: instead of the defaults.

        Raises:
            InputError: a setting that is not known, or that stable-baselines3 refuses.
        """
        unknown = sorted(set(settings) - set(self.defaults))
        if unknown:
            known = ", ".join(self.defaults)
            raise InputError(f"{self.algorithm.__name__}: no setting {', '.join(unknown)}; known are {known}")
        self.arms, self.width, self.generator = arms, width, generator
        self.settings = self.defaults | {name: type(self.defaults[name])(value) for name, value in settings.items()}
        with self.own_randomness():
            self.model = self._make()
        self.model.set_logger(Logger(None, []))

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.generator.device

    @abstractmethod
    def chances(self, observed: Tensor, opened: Tensor) -> Tensor:
        """[N, K] probability of each arm, for [N, o] and [N, K]."""

    @abstractmethod
    def worth(self, observed: Tensor, opened: Tensor) -> Tensor:
        """[N] reward that is expected."""

    @abstractmethod
    def learn(self, rows: SlotRows) -> None:
        """Takes rows in, and trains when there are enough."""

    def grow(self, n: int, like: Tensor | None) -> None:
        """Room for n more arms: new outputs of the networks like those of [n] arms, or like the mean of all."""
        kept = self.model
        self.arms += n
        with self.own_randomness():
            self.model = self._make()
        self.model.set_logger(Logger(None, []))
        weights = {
            name: grown(value, own.shape, like)
            for (name, value), own in zip(
                kept.policy.state_dict().items(), self.model.policy.state_dict().values(), strict=True
            )
        }
        self.model.policy.load_state_dict(weights)
        moments = kept.policy.optimizer.state_dict()["state"]
        shapes = [parameter.shape for parameter in self.model.policy.optimizer.param_groups[0]["params"]]
        self._load_optimizer({i: {k: _padded(v, shapes[i]) for k, v in part.items()} for i, part in moments.items()})

    def tensors(self) -> dict[str, Tensor]:
        """Networks and the optimizer's moments."""
        moments = self.model.policy.optimizer.state_dict()["state"]
        flat = {f"optimizer.{i}.{name}": torch.as_tensor(v) for i, part in moments.items() for name, v in part.items()}
        return {f"policy.{name}": value for name, value in self.model.policy.state_dict().items()} | flat

    def load(self, state: dict[str, Tensor]) -> None:
        """Takes over what `tensors` gave."""
        self.model.policy.load_state_dict(part_of(state, "policy."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in part_of(state, "optimizer.").items():
            number, moment = name.split(".")
            moments.setdefault(int(number), {})[moment] = value
        self._load_optimizer(moments)

    @contextmanager
    def own_randomness(self) -> Iterator[None]:
        """Seeds what stable-baselines3 draws from, which is global, by the generator; puts it back afterwards."""
        seed = int(torch.randint(2**31 - 1, (), generator=self.generator, device=self.device))
        kept, plain = np.random.get_state(), random.getstate()  # noqa: NPY002
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            yield
        np.random.set_state(kept)  # noqa: NPY002
        random.setstate(plain)

    def _make(self) -> Any:
        """The algorithm, untrained."""
        spaces = _Spaces(self._observation_width(), self.arms)
        kinds = inspect.signature(self.algorithm).parameters
        settings = {name: value for name, value in self.settings.items() if name in kinds}
        with warnings.catch_warnings():
            # It warns of rollouts that are no multiple of a batch, and of a GPU for small networks.
            warnings.simplefilter("ignore", UserWarning)
            return self.algorithm(
                self._policy(),
                DummyVecEnv([lambda: spaces]),
                device=self.device,
                policy_kwargs=self._policy_settings(),
                **settings,
            )

    def _observation_width(self) -> int:
        return self.width

    def _policy(self) -> Any:
        return "MlpPolicy"

    def _policy_settings(self) -> dict[str, Any]:
        return {}

    def _load_optimizer(self, moments: dict[int, dict[str, Tensor]]) -> None:
        optimizer = self.model.policy.optimizer
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def grown(old: Tensor, shape: torch.Size, like: Tensor | None) -> Tensor:
    """A weight with more rows, like those of [n] others or the mean of all; itself where it has that shape."""
    if old.shape == shape:
        return old
    more = old.mean(0, keepdim=True).expand(shape[0] - len(old), *shape[1:]) if like is None else old[like]
    return torch.cat([old, more])


def _padded(old: Any, shape: torch.Size) -> Any:
    """An optimizer's moment for a weight of this shape: zeros for what is new."""
    if not isinstance(old, Tensor) or old.dim() == 0 or old.shape == shape:
        return old
    return torch.cat([old, old.new_zeros(shape[0] - len(old), *shape[1:])])


def part_of(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """What is named so, the prefix taken off."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


class _Spaces(gym.Env):
    """An environment of which only the spaces count."""

    def __init__(self, width: int, arms: int) -> None:
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (width,), np.float32)
        self.action_space = gym.spaces.Discrete(arms)
