"""Other people's bandit libraries behind one small interface; each is imported when it is asked for."""

from abc import ABC, abstractmethod
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

ALPHA = 0.3
"""Width of bounds and draws, the same for all."""


class Peer(ABC):
    """Decides for contexts and learns from rewards, both in batches of whatever size the benchmark uses."""

    package: ClassVar[str]
    """Distribution, as pip knows it."""

    @abstractmethod
    def __init__(self, arms: int, width: int) -> None:
        """Builds the peer with weights that believe in zero with strength 1."""

    def prepare(self, contexts: Floats) -> list[Any]:
        """What the peer wants to be given, by round; the time for this is not counted."""
        return list(contexts)

    @abstractmethod
    def decide(self, given: Any) -> Indices:
        """[B] arms."""

    @abstractmethod
    def learn(self, given: Any, arms: Indices, rewards: Floats) -> None:
        """Learns from [B] rewards of [B] arms."""


class MabWiser(Peer):
    """MABWiser; it cannot decide before it has seen something, so each arm is given one row of zeros."""

    package = "mabwiser"
    policy: ClassVar[str]

    def __init__(self, arms: int, width: int) -> None:
        mab = import_module("mabwiser.mab")
        policy = getattr(mab.LearningPolicy, self.policy)(alpha=ALPHA, l2_lambda=1.0)
        self._mab = mab.MAB(list(range(arms)), policy, seed=1)
        self._mab.fit(list(range(arms)), [0] * arms, np.zeros((arms, width)))

    def decide(self, given: Any) -> Indices:
        """See `Peer`."""
        return np.atleast_1d(np.asarray(self._mab.predict(given)))

    def learn(self, given: Any, arms: Indices, rewards: Floats) -> None:
        """See `Peer`."""
        self._mab.partial_fit(arms, rewards, given)


class MabWiserUCB(MabWiser):
    """Its LinUCB."""

    policy = "LinUCB"


class MabWiserTS(MabWiser):
    """Its LinTS."""

    policy = "LinTS"


class ContextualBandits(Peer):
    """LinUCB of contextualbandits, in float32."""

    package = "contextualbandits"

    def __init__(self, arms: int, width: int) -> None:
        online = import_module("contextualbandits.online")
        # With two jobs it is three times slower in batches and nine times one at a time.
        self._policy = online.LinUCB(
            arms, alpha=ALPHA, lambda_=1.0, fit_intercept=False, use_float=True, random_state=1, njobs=1
        )

    def decide(self, given: Any) -> Indices:
        """See `Peer`."""
        return self._policy.predict(given)

    def learn(self, given: Any, arms: Indices, rewards: Floats) -> None:
        """See `Peer`."""
        self._policy.partial_fit(given, arms, rewards)


class BayesianBandits(Peer):
    """Thompson sampling of bayesianbandits, a normal regression an arm."""

    package = "bayesianbandits"

    def __init__(self, arms: int, width: int) -> None:
        bandits = import_module("bayesianbandits")
        # The noise precision 1 / ALPHA^2 scales the posterior's deviation as ours; the prior's strength is 1 as ours.
        learners = [bandits.NormalRegressor(alpha=ALPHA**-2, beta=ALPHA**-2) for _ in range(arms)]
        named = [bandits.Arm(arm, learner=learner) for arm, learner in enumerate(learners)]
        self._agent = bandits.ContextualAgent(named, bandits.ThompsonSampling(), random_seed=1)

    def decide(self, given: Any) -> Indices:
        """See `Peer`."""
        return np.asarray(self._agent.pull(given))

    def learn(self, given: Any, arms: Indices, rewards: Floats) -> None:
        """See `Peer`."""
        for arm in np.unique(arms):
            rows = arms == arm
            self._agent.select_for_update(int(arm)).update(given[rows], rewards[rows])


class River(Peer):
    """LinUCBDisjoint of river; contexts are dictionaries."""

    package = "river"

    def __init__(self, arms: int, width: int) -> None:
        self._policy = import_module("river.bandit").LinUCBDisjoint(alpha=ALPHA, beta=1.0, seed=1)
        self._arms = list(range(arms))

    def prepare(self, contexts: Floats) -> list[Any]:
        """See `Peer`."""
        return [dict(enumerate(row[0].tolist())) for row in contexts]

    def decide(self, given: Any) -> Indices:
        """See `Peer`."""
        return np.array([self._policy.pull(self._arms, given)])

    def learn(self, given: Any, arms: Indices, rewards: Floats) -> None:
        """See `Peer`."""
        self._policy.update(int(arms[0]), given, float(rewards[0]))


class VowpalWabbit(Peer):
    """Vowpal Wabbit's contextual bandit with action-dependent features and epsilon-greedy exploration."""

    package = "vowpalwabbit"

    def __init__(self, arms: int, width: int) -> None:
        settings = "--cb_explore_adf --epsilon 0.1 -q sa --quiet --random_seed 1"
        self._workspace = import_module("vowpalwabbit").Workspace(settings)
        self._actions = [f"|a arm{arm}" for arm in range(arms)]
        self._rng = np.random.default_rng(1)

    def prepare(self, contexts: Floats) -> list[Any]:
        """See `Peer`."""
        return ["shared |s " + " ".join(f"{i}:{value}" for i, value in enumerate(row[0])) for row in contexts]

    def decide(self, given: Any) -> Indices:
        """See `Peer`."""
        chances = np.asarray(self._workspace.predict([given, *self._actions]))
        arm = int(np.searchsorted(chances.cumsum(), self._rng.random() * chances.sum()))
        self._chance = chances[arm]
        return np.array([arm])

    def learn(self, given: Any, arms: Indices, rewards: Floats) -> None:
        """See `Peer`."""
        arm = int(arms[0])
        labelled = f"0:{-rewards[0]}:{self._chance} {self._actions[arm]}"
        self._workspace.learn([given, *self._actions[:arm], labelled, *self._actions[arm + 1 :]])


class BareLoop:
    """The same mathematics as a bare torch loop, float32: no checks, no propensities, no way to save or to grow."""

    def __init__(self, arms: int, width: int, device: torch.device, *, thompson: bool) -> None:
        """Believes in zero weights with strength 1; draws instead of bounds with `thompson`."""
        self.thompson = thompson
        self._precision = torch.eye(width, device=device).repeat(arms, 1, 1)
        self._response = torch.zeros(arms, width, device=device)
        self._inverse, self._mean = self._precision.clone(), self._response.clone()
        self._noise = torch.Generator(device).manual_seed(1)

    def decide(self, contexts: Tensor) -> Tensor:
        """[B] arms for [B, d] contexts."""
        self._outer = (contexts[:, :, None] * contexts[:, None]).flatten(1)
        width = (self._outer @ self._inverse.flatten(1).T).clamp_(min=0).sqrt_()
        score = contexts @ self._mean.T
        draw = torch.randn if self.thompson else torch.rand
        noise = draw(score.shape, generator=self._noise, device=score.device)
        score += ALPHA * width * noise if self.thompson else ALPHA * width + 1e-6 * noise
        return score.argmax(1)

    def learn(self, contexts: Tensor, arms: Tensor, rewards: Tensor) -> None:
        """Learns from [B] rewards of what was decided last."""
        self._precision.view(len(self._precision), -1).index_add_(0, arms, self._outer)
        self._response.index_add_(0, arms, rewards[:, None] * contexts)
        self._inverse = torch.cholesky_inverse(torch.linalg.cholesky(self._precision))
        self._mean = torch.bmm(self._inverse, self._response[:, :, None])[:, :, 0]


class BareTorch(Peer):
    """`BareLoop` on the CPU."""

    package = "torch"
    thompson = False

    def __init__(self, arms: int, width: int) -> None:
        self._loop = BareLoop(arms, width, torch.device("cpu"), thompson=self.thompson)

    def prepare(self, contexts: Floats) -> list[Any]:
        """See `Peer`."""
        return list(torch.from_numpy(contexts))

    def decide(self, given: Any) -> Indices:
        """See `Peer`."""
        return self._loop.decide(given).numpy()

    def learn(self, given: Any, arms: Indices, rewards: Floats) -> None:
        """See `Peer`."""
        self._loop.learn(given, torch.from_numpy(arms), torch.from_numpy(rewards))


class BareTorchTS(BareTorch):
    """With draws instead of bounds."""

    thompson = True


BATCHED: dict[str, dict[str, type[Peer]]] = {
    "linucb": {"mabwiser": MabWiserUCB, "contextualbandits": ContextualBandits, "bare torch": BareTorch},
    "lints": {"mabwiser": MabWiserTS, "bayesianbandits": BayesianBandits, "bare torch": BareTorchTS},
}
"""Peers by our agent, in batches."""
SINGLE: dict[str, dict[str, type[Peer]]] = {
    "linucb": {
        "river": River,
        "mabwiser": MabWiserUCB,
        "contextualbandits": ContextualBandits,
        "vowpalwabbit": VowpalWabbit,
    }
}
"""Peers by our agent, one decision at a time."""


def installed(package: str) -> str | None:
    """The version of a distribution, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
