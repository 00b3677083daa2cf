"""Neural-linear model: Bayesian linear regressions on the last layer of a network, and on the context beside it.

Riquelme, Tucker and Snoek, "Deep Bayesian bandits showdown", ICLR 2018: the network is trained now and then on what is
remembered, then the regressions are fitted anew on its features. With the context among them (Cheng et al., "Wide and
deep learning for recommender systems", 2016) nothing that a linear model finds is lost while the network learns.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from .linear import DisjointLinear
from .posterior import Model, Posterior, Prior

SIZES = {"contexts": torch.float32, "row_arms": torch.int64, "trials": torch.float32, "rewards": torch.float32}

MEMORY = 100_000
"""Rows remembered where nobody says how many; with fewer, rare conversions are forgotten sooner than learned from."""


class NeuralLinear(Model):
    """Remembers the last rows in a ring; older ones are forgotten when the regressions are fitted anew."""

    keeps_window: ClassVar[bool] = True

    def __init__(
        self,
        arms: int,
        width: int,
        generator: torch.Generator,
        hidden: int = 16,
        memory: int = MEMORY,
        every: int = 8,
        steps: int = 50,
    ) -> None:
        """Sets sizes.

        Args:
            arms: creatives.
            width: length of contexts, d.
            generator: draws the first weights and the training batches; on the device.
            hidden: units of both layers; the regressions' width is that, the context's, and one for a constant.
            memory: rows remembered.
            every: calls of `learn` between trainings.
            steps: gradient steps of a training, on 512 rows each.
        """
        device = generator.device
        self.arms, self.generator, self.every, self.steps = arms, generator, every, steps
        self.memory = {
            name: torch.zeros((memory, width) if name == "contexts" else memory, dtype=kind, device=device)
            for name, kind in SIZES.items()
        }
        self.counters = torch.zeros(2, dtype=torch.int64)
        self.network = {
            name: torch.randn(size, generator=generator, device=device) / size[-1] ** 0.5
            for name, size in {"first": (hidden, width), "second": (hidden, hidden)}.items()
        }
        self.network |= {name: torch.zeros(hidden, device=device) for name in ("first_bias", "second_bias")}
        self.heads = DisjointLinear(arms, 1 + hidden + width, device)

    def features(self, contexts: Tensor) -> Tensor:
        """[B, 1 + hidden + d] of [B, d] contexts; the first is 1, the last are the context."""
        net = self.network
        hidden = torch.relu(contexts @ net["first"].T + net["first_bias"])
        hidden = torch.tanh(hidden @ net["second"].T + net["second_bias"])
        return torch.cat([torch.ones_like(hidden[:, :1]), hidden, contexts], 1)

    def posterior(self, contexts: Tensor, candidates: Tensor) -> Posterior:
        """See `Model.posterior`."""
        return self.heads.posterior(self.features(contexts), candidates)

    def learn(self, contexts: Tensor, arms: Tensor, trials: Tensor, rewards: Tensor) -> None:
        """See `Model.learn`; trains when it is time."""
        self.heads.learn(self.features(contexts), arms, trials, rewards)
        rows = dict(zip(SIZES, (contexts, arms, trials, rewards), strict=True))
        size = len(self.memory["trials"])
        seen, calls = self.counters.tolist()
        place = torch.arange(seen, seen + len(arms), device=arms.device)[-size:] % size
        for name, ring in self.memory.items():
            ring[place] = rows[name][-size:].to(ring.dtype)
        self.counters[0] += len(arms)
        self.counters[1] += 1
        if calls % self.every == self.every - 1:
            self._train()

    def discount(self, factor: float) -> None:
        """See `Model.discount`; remembered rows count less in the regressions too."""
        self.heads.discount(factor)
        self.memory["trials"] *= factor
        self.memory["rewards"] *= factor

    def add_arms(self, n: int, prior: Prior | None = None, features: Tensor | None = None) -> None:
        """See `Model.add_arms`; a prior mean is the expected worth, [n]."""
        self.heads.add_arms(n, prior)
        self.arms += n

    def expect(self, prior: Prior) -> None:
        """See `Model.expect`."""
        self.heads.expect(prior)

    def prior(self, worth: Tensor, trials: float) -> Prior:
        """See `Model.prior`."""
        return self.heads.prior(worth, trials)

    def tensors(self) -> dict[str, Tensor]:
        """See `Model.tensors`."""
        heads = {f"heads.{name}": value for name, value in self.heads.tensors().items()}
        memory = {f"memory.{name}": value for name, value in self.memory.items()}
        return heads | memory | {f"network.{k}": v for k, v in self.network.items()} | {"counters": self.counters}

    def refresh(self) -> None:
        """See `Model.refresh`."""
        self.heads.refresh()

    def _train(self) -> None:
        """Squared error of the chosen arm's predicted reward, by Adam from a fresh start; then new regressions."""
        known = min(int(self.counters[0]), len(self.memory["trials"]))
        rows = {name: ring[:known] for name, ring in self.memory.items()}
        self.heads._catch_up()
        weights: dict[str, Any] = {name: value.clone().requires_grad_() for name, value in self.network.items()}
        output = self.heads.mean.clone().requires_grad_()
        optimizer = torch.optim.Adam([*weights.values(), output], lr=1e-2)
        kept, self.network = self.network, weights
        for _ in range(self.steps):
            pick = torch.randint(known, (512,), generator=self.generator, device=self.generator.device)
            arm, trial = rows["row_arms"][pick], rows["trials"][pick]
            expected = trial * (self.features(rows["contexts"][pick]) * output[arm]).sum(1)
            loss = (rows["rewards"][pick] - expected).square().mean() + 1e-4 * output.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.network = kept
        for name, value in kept.items():
            value.copy_(weights[name].detach())
        learned = self.heads.tensors()
        learned["gram"].zero_()
        learned["response"].zero_()
        self.heads.refresh()
        self.heads.learn(self.features(rows["contexts"]), rows["row_arms"], rows["trials"], rows["rewards"])
