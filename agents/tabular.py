"""Agents that ignore the context: random, epsilon-greedy, Beta-Thompson."""

import torch
from torch import Tensor

from ..simulation.traffic import Impressions
from ..simulation.world import Feedback
from .agent import Decision, PlacementAgent, Worth, break_ties, top_candidates


def sequential_uniform(candidates: int, slots: int) -> Tensor:
    """[L] probability of each slot's choice when candidates are drawn without replacement: 1/K, 1/(K-1), ..."""
    return 1.0 / (candidates - torch.arange(slots))


class RandomAgent(PlacementAgent):
    """Uniform over slates without repetition."""

    def act(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """See `PlacementAgent.act`."""
        score = torch.rand(len(impressions), len(candidates), generator=self.generator, device=self.device)
        chance = sequential_uniform(len(candidates), self.slots).to(self.device)
        return Decision(top_candidates(score, candidates, self.slots), chance.expand(len(impressions), -1))

    def update(self, feedback: Feedback) -> None:
        """Learns nothing."""

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}


class _Counting(PlacementAgent):
    """Keeps trials and rewards of every arm."""

    def __init__(self, arms: int, slots: int, generator: torch.Generator, worth: Worth) -> None:
        super().__init__(arms, slots, generator)
        self.worth = worth
        self.trials = torch.zeros(arms, device=self.device)
        self.rewards = torch.zeros(arms, device=self.device)

    def update(self, feedback: Feedback) -> None:
        """Adds examined trials and rewards to the arms shown."""
        shown = feedback.slates.flatten()
        self.trials.index_add_(0, shown, self.worth.trials(feedback).flatten())
        self.rewards.index_add_(0, shown, self.worth.rewards(feedback).flatten())

    def add_arms(self, n: int) -> None:
        """New arms start with nothing seen."""
        super().add_arms(n)
        grown = torch.zeros(n, device=self.device)
        self.trials, self.rewards = torch.cat([self.trials, grown]), torch.cat([self.rewards, grown])

    def state_dict(self) -> dict[str, Tensor]:
        """Trials and rewards."""
        return {"trials": self.trials, "rewards": self.rewards}


class EpsilonGreedy(_Counting):
    """The best arms so far, or with probability epsilon a uniform slate.

    The slate as a whole explores or exploits, so each slot's propensity given the slots above follows by Bayes from the
    chance that the slots above came from exploring.
    """

    def __init__(self, arms: int, slots: int, generator: torch.Generator, worth: Worth, epsilon: float = 0.1) -> None:
        """Sets epsilon, the share of impressions that explore."""
        super().__init__(arms, slots, generator, worth)
        self.epsilon = epsilon

    def act(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """See `PlacementAgent.act`."""
        n, k = len(impressions), len(candidates)
        mean = (self.rewards[candidates] / self.trials[candidates].clamp(min=1e-6)).expand(n, -1)
        greedy = top_candidates(break_ties(mean, self.generator), candidates, self.slots)
        score = torch.rand(n, k, generator=self.generator, device=self.device)
        explore = torch.rand(n, 1, generator=self.generator, device=self.device) < self.epsilon
        slates = torch.where(explore, top_candidates(score, candidates, self.slots), greedy)
        return Decision(slates, None)


class BetaThompson(_Counting):
    """Thompson sampling with a Beta posterior for every arm (Thompson, 1933; Chapelle and Li, NIPS 2011).

    A worth above one a trial (a conversion) is scaled into [0, 1] by the largest worth there is.
    """

    def act(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """See `PlacementAgent.act`."""
        scale = 1.0 + self.worth.conversion_value
        won = self.rewards[candidates] / scale
        lost = (self.trials[candidates] - won).clamp(min=0)
        shape = (len(impressions), len(candidates))
        gains = _gamma((1.0 + won).expand(shape), self.generator)
        losses = _gamma((1.0 + lost).expand(shape), self.generator)
        return Decision(top_candidates(gains / (gains + losses), candidates, self.slots), None)


def _gamma(shape: Tensor, generator: torch.Generator) -> Tensor:
    """Gamma(shape, 1) draws for shapes of at least 1 from one normal each (Wilson and Hilferty, 1931).

    torch has no gamma sampler that takes a generator off the CPU; the cube of a normal is within 1% for these shapes.
    """
    normal = torch.randn(shape.shape, generator=generator, device=shape.device)
    root = 1 - 1 / (9 * shape) + normal / (3 * shape.sqrt())
    return shape * root.clamp(min=1e-3) ** 3
