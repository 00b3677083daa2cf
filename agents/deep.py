"""Deep agents: PPO, A2C and DQN of stable-baselines3, trained on the environment, serving like any other agent.

They learn from the environment (`train`), not from `update`. PPO and A2C fill a slate slot by slot; DQN, whose actions
are single numbers, learns which creative belongs on top and ranks the others by its values.
"""

import json
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from torch import Tensor

from ..envs.placement import AdPlacementEnv
from ..simulation.data.errors import InputError
from ..simulation.visitors.traffic import Impressions
from ..simulation.world import Feedback
from .agent import Decision, PlacementAgent
from .checks import Candidates, Guard, check_contexts

ALGORITHMS: dict[str, Any] = {"ppo": PPO, "a2c": A2C, "dqn": DQN}
FORMAT_VERSION = 1


class TopSlot(gym.ActionWrapper):
    """One number an action: the creative on top; the next ones in the list fill the slots below it."""

    def __init__(self, env: gym.Env) -> None:
        """Wraps a placement environment."""
        super().__init__(env)
        sizes = np.asarray(getattr(env.action_space, "nvec"))  # noqa: B009
        self._below = np.arange(len(sizes))
        self._count = int(sizes[0])
        self.action_space = gym.spaces.Discrete(self._count)

    def action(self, action: Any) -> np.ndarray:
        """The slate of an action."""
        return (int(action) + self._below) % self._count


def distinct(ranked: Tensor) -> Tensor:
    """[B, L] slates without repetition: the best candidate of each slot's scores that no slot above took.

    Args:
        ranked: [B, L, K] scores of each candidate in each slot.
    """
    score, chosen = ranked.clone(), []
    for slot in range(ranked.shape[1]):
        chosen.append(score[:, slot].argmax(1))
        score[:, slot + 1 :].scatter_(
            2, chosen[-1][:, None, None].expand(-1, ranked.shape[1] - slot - 1, 1), -torch.inf
        )
    return torch.stack(chosen, 1)


class DeepAgent(PlacementAgent):
    """A policy of stable-baselines3; greedy when it serves, so that its propensities are 1."""

    def __init__(
        self,
        algorithm: Literal["ppo", "a2c", "dqn"],
        arms: int,
        slots: int,
        width: int,
        generator: torch.Generator,
        **settings: Any,
    ) -> None:
        """Builds the policy.

        Args:
            algorithm: its name.
            arms: creatives, K.
            slots: L.
            width: length of contexts, d.
            generator: on the agent's device; its seed also starts the policy.
            settings: of the algorithm, as stable-baselines3 has them.

        Raises:
            InputError: no such algorithm.
        """
        if algorithm not in ALGORITHMS:
            raise InputError(f"no deep agent '{algorithm}'; known are {', '.join(ALGORITHMS)}")
        super().__init__(arms, slots, generator)
        self.algorithm, self.width, self.settings = algorithm, width, settings
        spaces = _Spaces(arms, slots, width, single=algorithm == "dqn")
        seed = generator.initial_seed() % 2**31
        # Seeding is global in stable-baselines3; the caller's streams go on as if nothing had happened.
        with torch.random.fork_rng(devices=[]):
            kept = np.random.get_state()  # noqa: NPY002
            self.learner = ALGORITHMS[algorithm](
                "MlpPolicy", DummyVecEnv([lambda: spaces]), device=self.device, seed=seed, **settings
            )
            np.random.set_state(kept)  # noqa: NPY002
        self._candidates, self._guard = Candidates(), Guard(self.device)
        self._active = torch.ones(arms, dtype=torch.bool, device=self.device)

    def train(self, env: AdPlacementEnv | gym.Env | VecEnv, steps: int) -> None:
        """Learns from `steps` visits to an environment with the same candidates, slots and features.

        Raises:
            InputError: the environment is of another shape.
        """
        if not isinstance(env, VecEnv):
            inner = TopSlot(env) if self.algorithm == "dqn" else env
            env = DummyVecEnv([lambda: inner])
        try:
            self.learner.set_env(env)
        except ValueError as error:
            raise InputError(
                f"env: {error}; the agent has {self.arms} arms, {self.slots} slots, width {self.width}"
            ) from None
        self.learner.learn(steps)

    def act(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """See `PlacementAgent.act`."""
        self._candidates.check(candidates, self._active, self.slots)
        check_contexts(impressions, self.width, self._guard)
        with torch.no_grad():
            slates = candidates[distinct(self._scores(impressions.context)[:, :, candidates])]
        return Decision(slates, torch.ones(slates.shape, device=self.device))

    def update(self, feedback: Feedback) -> None:
        """Learns nothing; see `train`."""

    def add_arms(self, n: int) -> None:
        """Refused: the policy's last layer has one output an arm."""
        raise InputError("a deep agent's arms are fixed; train a new one")

    def state_dict(self) -> dict[str, Tensor]:
        """The policy's weights."""
        return dict(self.learner.policy.state_dict())

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """See `PlacementAgent.load_state_dict`."""
        own = self.state_dict()
        for name in sorted(own.keys() | state.keys()):
            if name not in own or name not in state or own[name].shape != state[name].shape:
                raise InputError(f"state: '{name}' is missing, unknown or of another shape; it is of other settings")
        self.learner.policy.load_state_dict(state)

    def save(self, folder: str | Path) -> None:
        """Writes weights and settings: agent.safetensors and agent.json, nothing pickled."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({k: v.contiguous().cpu().clone() for k, v in self.state_dict().items()}, folder / "agent.safetensors")
        settings = {"format_version": FORMAT_VERSION, "agent": self.algorithm, "settings": self.settings}
        settings |= {"arms": self.arms, "slots": self.slots, "width": self.width}
        (folder / "agent.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(folder: str | Path, device: torch.device | str = "cpu") -> "DeepAgent":
        """Reads what `save` wrote.

        Raises:
            InputError: another format, or weights that do not fit.
        """
        settings = json.loads((Path(folder) / "agent.json").read_text(encoding="utf-8"))
        if settings["format_version"] != FORMAT_VERSION:
            raise InputError(
                f"{folder}: format_version {settings['format_version']}; this version reads {FORMAT_VERSION}"
            )
        generator = torch.Generator(device).manual_seed(0)
        sizes = {name: settings[name] for name in ("arms", "slots", "width")}
        agent = DeepAgent(settings["agent"], generator=generator, **sizes, **settings["settings"])
        agent.load_state_dict(load_file(Path(folder) / "agent.safetensors"))
        return agent

    def _scores(self, contexts: Tensor) -> Tensor:
        """[B, L, K] of each candidate in each slot."""
        policy = self.learner.policy
        if self.algorithm == "dqn":
            return policy.q_net(contexts)[:, None].expand(-1, self.slots, -1)
        parts = policy.get_distribution(contexts).distribution
        return torch.stack([part.logits for part in parts], 1)


class _Spaces(gym.Env):
    """An environment of which only the spaces count."""

    def __init__(self, arms: int, slots: int, width: int, single: bool) -> None:
        self.observation_space = gym.spaces.Box(0.0, 1.0, (width,), np.float32)
        self.action_space = gym.spaces.Discrete(arms) if single else gym.spaces.MultiDiscrete([arms] * slots)
