"""Models that ignore the context: trials and rewards of every arm."""

import torch
from torch import Tensor

from .posterior import LIKENESS, Model, Posterior, Prior


def hoeffding_width(trials: Tensor) -> Tensor:
    """Width of UCB1, sqrt(2 ln t / n) (Auer, Cesa-Bianchi and Fischer, "Finite-time analysis", 2002, figure 1).

    Args:
        trials: [K] trials n of each arm; t is their sum. Arms with less than one trial count as having one.
    """
    return (2 * trials.sum().clamp(min=1).log() / trials.clamp(min=1)).sqrt()


class BetaPosterior(Posterior):
    """Beta beliefs; mean and deviation are theirs."""

    independent_normal: bool = False

    def __init__(self, won: Tensor, lost: Tensor) -> None:
        """Keeps [B, K] first and second parameters."""
        self.won, self.lost = won, lost
        mean = won / (won + lost)
        super().__init__(mean, (mean * (1 - mean) / (won + lost + 1)).sqrt())

    def draw(self, generator: torch.Generator, scale: float = 1.0) -> Tensor:
        """See `Posterior.draw`; the scale widens the belief by dividing its trials by scale squared."""
        narrow = scale**-2
        # torch's public gamma sampler takes no generator; this is what it calls.
        gains = torch._standard_gamma((self.won * narrow).contiguous(), generator=generator)  # pyright: ignore[reportPrivateImportUsage]
        losses = torch._standard_gamma((self.lost * narrow).contiguous(), generator=generator)  # pyright: ignore[reportPrivateImportUsage]
        return gains / (gains + losses)


class ArmCounts(Model):
    """Trials and rewards of every arm."""

    def __init__(self, arms: int, device: torch.device, largest: float = 1.0) -> None:
        """Sets sizes.

        Args:
            arms: creatives.
            device: where the tables are.
            largest: the largest reward of a trial; beliefs are about rewards divided by it.
        """
        self.arms, self.device, self.largest = 0, device, largest
        self._learned: dict[str, Tensor] = {
            name: torch.zeros(0, dtype=torch.float64, device=device)
            for name in ("trials", "rewards", "prior_trials", "prior_rewards")
        }
        self.add_arms(arms)

    def posterior(self, contexts: Tensor, candidates: Tensor) -> Posterior:
        """See `Model.posterior`; Beta(1 + won, 1 + lost)."""
        trials, rewards = self._totals(candidates)
        won = 1 + rewards / self.largest
        lost = 1 + (trials - rewards / self.largest).clamp(min=0)
        shape = (len(contexts), len(candidates))
        return BetaPosterior(won.float().expand(shape), lost.float().expand(shape))

    def learn(self, contexts: Tensor, arms: Tensor, trials: Tensor, rewards: Tensor) -> None:
        """See `Model.learn`."""
        self._learned["trials"].index_add_(0, arms, trials.double())
        self._learned["rewards"].index_add_(0, arms, rewards.double())

    def discount(self, factor: float) -> None:
        """See `Model.discount` (Garivier and Moulines, 2011, for UCB; Raj and Kalyani, 2017, for Thompson)."""
        self._learned["trials"] *= factor
        self._learned["rewards"] *= factor

    def add_arms(self, n: int, prior: Prior | None = None, features: Tensor | None = None) -> None:
        """See `Model.add_arms`; a prior counts as `strength` trials that earned `mean` each."""
        trials, rewards = self._prior(n, prior)
        grown = {"trials": torch.zeros_like(trials), "rewards": torch.zeros_like(trials)}
        grown |= {"prior_trials": trials, "prior_rewards": rewards}
        self._learned = {name: torch.cat([value, grown[name]]) for name, value in self._learned.items()}
        self.arms += n

    def worth(self, mean: Tensor) -> Tensor:
        """See `Model.worth`."""
        return mean * self.largest

    def expect(self, prior: Prior) -> None:
        """See `Model.expect`."""
        self._learned["prior_trials"], self._learned["prior_rewards"] = self._prior(self.arms, prior)

    def belief(self, arms: Tensor) -> Prior | None:
        """See `Model.belief`: rewards a trial; arms that had less than one are not known."""
        trials, rewards = self._totals(arms)
        return Prior(rewards / trials.clamp(min=1), LIKENESS * trials.clamp(max=1))

    def tensors(self) -> dict[str, Tensor]:
        """See `Model.tensors`."""
        return self._learned

    def _prior(self, n: int, prior: Prior | None) -> tuple[Tensor, Tensor]:
        """Trials and rewards, [n] each."""
        trials = torch.zeros(n, dtype=torch.float64, device=self.device)
        if prior is None:
            return trials, trials.clone()
        trials += torch.as_tensor(prior.strength).to(trials)
        mean = prior.mean if prior.mean.dim() == 1 else prior.mean[:, 0]
        return trials, trials * mean.to(trials)

    def _totals(self, candidates: Tensor) -> tuple[Tensor, Tensor]:
        trials = self._learned["trials"] + self._learned["prior_trials"]
        rewards = self._learned["rewards"] + self._learned["prior_rewards"]
        return trials[candidates], rewards[candidates]


class UpperCounts(ArmCounts):
    """The same with the widths of UCB1 for a posterior deviation; rewards are divided by the largest there is."""

    def posterior(self, contexts: Tensor, candidates: Tensor) -> Posterior:
        """See `Model.posterior`."""
        trials, rewards = self._totals(candidates)
        mean = rewards / self.largest / trials.clamp(min=1e-6)
        # What was never tried goes first.
        width = torch.where(trials > 0, hoeffding_width(trials), 1e3)
        shape = (len(contexts), len(candidates))
        return Posterior(mean.float().expand(shape), width.float().expand(shape))
