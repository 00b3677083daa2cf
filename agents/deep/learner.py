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
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.buffers import ReplayBuffer, RolloutBuffer
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor

from ...simulation.data.errors import InputError
from ..rules import tied_best

CLOSED = -1e8
"""Logit of a closed action; its probability is 0 in float32."""


@dataclass(frozen=True)
class Rows:
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

    def __getitem__(self, rows: Tensor | slice) -> "Rows":
        return Rows(**{name: value[rows] for name, value in vars(self).items()})

    def __len__(self) -> int:
        return len(self.arms)

    @staticmethod
    def joined(parts: list["Rows"]) -> "Rows":
        """The rows of several, in order."""
        return Rows(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Rows)})


class Learner(ABC):
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
    def learn(self, rows: Rows) -> None:
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
        self.model.policy.load_state_dict(_part(state, "policy."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(state, "optimizer.").items():
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


class Visible(BaseFeaturesExtractor):
    """Of an observation, what networks see: all but the mask."""

    def __init__(self, observation_space: gym.spaces.Box, width: int) -> None:
        """Keeps the first `width` numbers."""
        super().__init__(observation_space, width)

    def forward(self, observations: Tensor) -> Tensor:
        """[N, width]."""
        return observations[:, : self.features_dim]


class MaskedPolicy(ActorCriticPolicy):
    """Actor and critic of stable-baselines3; the last K numbers of an observation say which of K actions are open."""

    def get_distribution(self, obs: Any) -> Distribution:
        """Among open actions (Huang and Ontanon, "A closer look at invalid action masking", FLAIRS 2022)."""
        distribution: Any = super().get_distribution(obs)
        logits = distribution.distribution.logits
        return distribution.proba_distribution(logits.masked_fill(obs[:, -logits.shape[1] :] == 0, CLOSED))

    def evaluate_actions(self, obs: Any, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Values, log-probabilities and entropies."""
        distribution = self.get_distribution(obs)
        return self.predict_values(obs), distribution.log_prob(actions), distribution.entropy()


class OnPolicy(Learner):
    """PPO and A2C: train on the rows since the last training once these are `n_steps`, then drop them."""

    def __init__(self, arms: int, width: int, generator: torch.Generator, settings: dict[str, float]) -> None:
        """See `Learner`."""
        super().__init__(arms, width, generator, settings)
        self._rows: list[Rows] = []

    def chances(self, observed: Tensor, opened: Tensor) -> Tensor:
        """See `Learner.chances`; the policy's own."""
        with torch.no_grad():
            return self.model.policy.get_distribution(_with_mask(observed, opened)).distribution.probs

    def worth(self, observed: Tensor, opened: Tensor) -> Tensor:
        """See `Learner.worth`; the critic's."""
        with torch.no_grad():
            return self.model.policy.predict_values(_with_mask(observed, opened)).flatten()

    def learn(self, rows: Rows) -> None:
        """See `Learner.learn`; the advantage is the reward less the critic's value."""
        self._rows.append(rows)
        if sum(map(len, self._rows)) < self.settings["n_steps"]:
            return
        rows = Rows.joined(self._rows)
        self._rows = []
        seen = _with_mask(rows.observed, rows.opened)
        buffer = RolloutBuffer(len(rows), self.model.observation_space, self.model.action_space, self.device)
        columns = {
            "observations": seen,
            "actions": rows.arms[:, None],
            "rewards": rows.rewards[:, None],
            "values": self.worth(rows.observed, rows.opened)[:, None],
            "log_probs": rows.chances.log()[:, None],
        }
        for name, value in columns.items():
            setattr(buffer, name, value.numpy(force=True).reshape(getattr(buffer, name).shape))
        buffer.returns, buffer.advantages = buffer.rewards, buffer.rewards - buffer.values
        buffer.full = True
        self.model.rollout_buffer = buffer
        with self.own_randomness():
            self.model.train()

    def grow(self, n: int, like: Tensor | None) -> None:
        """See `Learner.grow`; to rows that wait the new arms were closed."""
        super().grow(n, like)
        for i, rows in enumerate(self._rows):
            closed = rows.opened.new_zeros(len(rows), n)
            self._rows[i] = Rows(**(vars(rows) | {"opened": torch.cat([rows.opened, closed], 1)}))

    def tensors(self) -> dict[str, Tensor]:
        """See `Learner.tensors`; and the rows that wait."""
        waiting = vars(Rows.joined(self._rows)) if self._rows else {}
        return super().tensors() | {f"rows.{name}": value for name, value in waiting.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """See `Learner.load`."""
        super().load(state)
        waiting = _part(state, "rows.")
        self._rows = [Rows(**waiting)] if waiting else []

    def _observation_width(self) -> int:
        return self.width + self.arms

    def _policy(self) -> Any:
        return MaskedPolicy

    def _policy_settings(self) -> dict[str, Any]:
        return {"features_extractor_class": Visible, "features_extractor_kwargs": {"width": self.width}}


class ProximalPolicy(OnPolicy):
    """PPO."""

    algorithm = PPO
    defaults: ClassVar = {
        "learning_rate": 1e-3,
        "n_steps": 2048,
        "batch_size": 512,
        "n_epochs": 5,
        "clip_range": 0.2,
        "ent_coef": 0.0,
    }


class ActorCritic(OnPolicy):
    """A2C."""

    algorithm = A2C
    defaults: ClassVar = {"learning_rate": 7e-4, "n_steps": 256, "ent_coef": 0.0}


class QNetwork(Learner):
    """DQN: a gradient step for every `train_freq` rows, on rows drawn from the last `buffer_size`."""

    algorithm = DQN
    defaults: ClassVar = {
        "learning_rate": 1e-3,
        "buffer_size": 100_000,
        "learning_starts": 100,
        "batch_size": 256,
        "train_freq": 32,
        "exploration_final_eps": 0.05,
    }

    def __init__(self, arms: int, width: int, generator: torch.Generator, settings: dict[str, float]) -> None:
        """See `Learner`."""
        super().__init__(arms, width, generator, settings)
        self._owed = 0

    def chances(self, observed: Tensor, opened: Tensor) -> Tensor:
        """See `Learner.chances`: the best value, and with `exploration_final_eps` any that is open."""
        with torch.no_grad():
            best = tied_best(self.model.q_net(observed), opened).float()
        share = self.settings["exploration_final_eps"] / opened.sum(1, keepdim=True)
        best /= best.sum(1, keepdim=True)
        return (1 - self.settings["exploration_final_eps"]) * best + share * opened

    def worth(self, observed: Tensor, opened: Tensor) -> Tensor:
        """See `Learner.worth`; the best value."""
        with torch.no_grad():
            return self.model.q_net(observed).masked_fill(~opened, -torch.inf).amax(1)

    def learn(self, rows: Rows) -> None:
        """See `Learner.learn`; each row ends its episode, so the target network has no say."""
        buffer: ReplayBuffer = self.model.replay_buffer
        rows = rows[-buffer.buffer_size :]
        place = (buffer.pos + np.arange(len(rows))) % buffer.buffer_size
        buffer.observations[place, 0] = rows.observed.numpy(force=True)
        buffer.actions[place, 0, 0] = rows.arms.numpy(force=True)
        buffer.rewards[place, 0] = rows.rewards.numpy(force=True)
        buffer.dones[place] = 1.0
        buffer.full = buffer.full or buffer.pos + len(rows) >= buffer.buffer_size
        buffer.pos = (buffer.pos + len(rows)) % buffer.buffer_size
        self._owed += len(rows)
        if buffer.size() < self.settings["learning_starts"]:
            return
        steps, self._owed = divmod(self._owed, int(self.settings["train_freq"]))
        if steps:
            with self.own_randomness():
                self.model.train(steps, int(self.settings["batch_size"]))

    def grow(self, n: int, like: Tensor | None) -> None:
        """See `Learner.grow`; what is remembered stays."""
        kept = self.model.replay_buffer
        super().grow(n, like)
        self.model.replay_buffer = kept

    def tensors(self) -> dict[str, Tensor]:
        """See `Learner.tensors`; and what is remembered."""
        buffer = self.model.replay_buffer
        held = {name: torch.from_numpy(getattr(buffer, name)[: buffer.size()]) for name in self._COLUMNS}
        counts = torch.tensor([buffer.pos, self._owed])
        return super().tensors() | {f"rows.{name}": value for name, value in held.items()} | {"rows.counts": counts}

    def load(self, state: dict[str, Tensor]) -> None:
        """See `Learner.load`."""
        super().load(state)
        buffer = self.model.replay_buffer
        held = _part(state, "rows.")
        size = len(held["dones"])
        for name in self._COLUMNS:
            getattr(buffer, name)[:size] = held[name].numpy(force=True)
        buffer.pos, self._owed = held["counts"].tolist()
        buffer.full = size == buffer.buffer_size

    _COLUMNS = ("observations", "actions", "rewards", "dones")


LEARNERS: dict[str, type[Learner]] = {"sb3-ppo": ProximalPolicy, "sb3-a2c": ActorCritic, "sb3-dqn": QNetwork}


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


def _with_mask(observed: Tensor, opened: Tensor) -> Tensor:
    return torch.cat([observed, opened.float()], 1)


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


class _Spaces(gym.Env):
    """An environment of which only the spaces count."""

    def __init__(self, width: int, arms: int) -> None:
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (width,), np.float32)
        self.action_space = gym.spaces.Discrete(arms)
