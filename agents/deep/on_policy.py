"""PPO and A2C of stable-baselines3 as learners: actor and critic, among the actions that are open."""

from typing import Any, ClassVar

import gymnasium as gym
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from .learner import DeepLearner, SlotRows, part_of

CLOSED = -1e8
"""Logit of a closed action; its probability is 0 in float32."""


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


class ActorCriticLearner(DeepLearner):
    """PPO and A2C: train on the rows since the last training once these are `n_steps`, then drop them."""

    def __init__(self, arms: int, width: int, generator: torch.Generator, settings: dict[str, float]) -> None:
        super().__init__(arms, width, generator, settings)
        self._rows: list[SlotRows] = []

    def chances(self, observed: Tensor, opened: Tensor) -> Tensor:
        """See `DeepLearner.chances`; the policy's own."""
        with torch.no_grad():
            return self.model.policy.get_distribution(_with_mask(observed, opened)).distribution.probs

    def worth(self, observed: Tensor, opened: Tensor) -> Tensor:
        """See `DeepLearner.worth`; the critic's."""
        with torch.no_grad():
            return self.model.policy.predict_values(_with_mask(observed, opened)).flatten()

    def learn(self, rows: SlotRows) -> None:
        """See `DeepLearner.learn`; the advantage is the reward less the critic's value."""
        self._rows.append(rows)
        if sum(map(len, self._rows)) < self.settings["n_steps"]:
            return
        rows = SlotRows.joined(self._rows)
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
        """See `DeepLearner.grow`; to rows that wait the new arms were closed."""
        super().grow(n, like)
        for i, rows in enumerate(self._rows):
            closed = rows.opened.new_zeros(len(rows), n)
            self._rows[i] = SlotRows(**(vars(rows) | {"opened": torch.cat([rows.opened, closed], 1)}))

    def tensors(self) -> dict[str, Tensor]:
        """See `DeepLearner.tensors`; and the rows that wait."""
        waiting = vars(SlotRows.joined(self._rows)) if self._rows else {}
        return super().tensors() | {f"rows.{name}": value for name, value in waiting.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """See `DeepLearner.load`."""
        super().load(state)
        waiting = part_of(state, "rows.")
        self._rows = [SlotRows(**waiting)] if waiting else []

    def _observation_width(self) -> int:
        return self.width + self.arms

    def _policy(self) -> Any:
        return MaskedPolicy

    def _policy_settings(self) -> dict[str, Any]:
        return {"features_extractor_class": Visible, "features_extractor_kwargs": {"width": self.width}}


class ProximalPolicy(ActorCriticLearner):
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


class ActorCritic(ActorCriticLearner):
    """A2C."""

    algorithm = A2C
    defaults: ClassVar = {"learning_rate": 7e-4, "n_steps": 256, "ent_coef": 0.0}


def _with_mask(observed: Tensor, opened: Tensor) -> Tensor:
    return torch.cat([observed, opened.float()], 1)
