"""DQN of stable-baselines3 as a learner: values of actions, learned from rows that are remembered."""

from typing import ClassVar

import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from torch import Tensor

from ..rules import tied_best
from .learner import DeepLearner, SlotRows, part_of


class QNetwork(DeepLearner):
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
        super().__init__(arms, width, generator, settings)
        self._owed = 0

    def chances(self, observed: Tensor, opened: Tensor) -> Tensor:
        """See `DeepLearner.chances`: the best value, and with `exploration_final_eps` any that is open."""
        with torch.no_grad():
            best = tied_best(self.model.q_net(observed), opened).float()
        share = self.settings["exploration_final_eps"] / opened.sum(1, keepdim=True)
        best /= best.sum(1, keepdim=True)
        return (1 - self.settings["exploration_final_eps"]) * best + share * opened

    def worth(self, observed: Tensor, opened: Tensor) -> Tensor:
        """See `DeepLearner.worth`; the best value."""
        with torch.no_grad():
            return self.model.q_net(observed).masked_fill(~opened, -torch.inf).amax(1)

    def learn(self, rows: SlotRows) -> None:
        """See `DeepLearner.learn`; each row ends its episode, so the target network has no say."""
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
        """See `DeepLearner.grow`; what is remembered stays."""
        kept = self.model.replay_buffer
        super().grow(n, like)
        self.model.replay_buffer = kept

    def tensors(self) -> dict[str, Tensor]:
        """See `DeepLearner.tensors`; and what is remembered."""
        buffer = self.model.replay_buffer
        held = {name: torch.from_numpy(getattr(buffer, name)[: buffer.size()]) for name in self._COLUMNS}
        counts = torch.tensor([buffer.pos, self._owed])
        return super().tensors() | {f"rows.{name}": value for name, value in held.items()} | {"rows.counts": counts}

    def load(self, state: dict[str, Tensor]) -> None:
        """See `DeepLearner.load`."""
        super().load(state)
        buffer = self.model.replay_buffer
        held = part_of(state, "rows.")
        size = len(held["dones"])
        for name in self._COLUMNS:
            getattr(buffer, name)[:size] = held[name].numpy(force=True)
        buffer.pos, self._owed = held["counts"].tolist()
        buffer.full = size == buffer.buffer_size

    _COLUMNS = ("observations", "actions", "rewards", "dones")
