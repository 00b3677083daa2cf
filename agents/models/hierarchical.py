"""Rates of creatives that resemble each other: a common level, each one's own effect, and how long there is to profit.

The belief is `agents/horizon.py`'s, whose prior earlier A/B tests can teach; the context is not read. Where it is
known how many visits there will be, deviations shrink in proportion to those that are left, so that Thompson sampling
explores while that pays and ends with the best creative that it knows.
"""

import numpy as np
import torch
from scipy.special import expit, logit
from torch import Tensor

from ..horizon import ArchivePrior, Belief, believe
from .posterior import LIKENESS, Model, Posterior, Prior

ANY = ArchivePrior(level=-3.0, level_variance=4.0, trust=1.0, spread=0.3)
"""Of creatives of which nothing is known: rates of some percent, give or take a factor of seven, and alike."""
STEPS = 8
"""Newton steps."""
START = 4.0
"""Trials at the prior's rate that are added to what was seen, for the first step."""


class HierarchicalCounts(Model):
    """Trials and rewards of every arm; beliefs about the log-odds of a reward, divided by the largest there is."""

    def __init__(
        self,
        arms: int,
        device: torch.device,
        largest: float = 1.0,
        prior: ArchivePrior = ANY,
        rows: int = 0,
    ) -> None:
        """Sets sizes.

        Args:
            arms: creatives.
            device: where the tables are.
            largest: the largest reward of a trial.
            prior: of the creatives.
            rows: slots that will be filled; 0 where nobody knows.
        """
        self.arms, self.device, self.largest = 0, device, largest
        shared = [prior.level, prior.level_variance, prior.trust, prior.spread, prior.spread_per_click]
        self._shared = {
            "prior": torch.tensor(shared, dtype=torch.float64, device=device),
            "rows": torch.tensor(float(rows), dtype=torch.float64, device=device),
            "seen": torch.zeros((), dtype=torch.float64, device=device),
        }
        self._learned: dict[str, Tensor] = {
            name: torch.zeros(0, dtype=torch.float64, device=device) for name in ("trials", "rewards", "text", "wider")
        }
        self._belief: tuple[Tensor, Tensor] | None = None
        self.add_arms(arms)

    def posterior(self, contexts: Tensor, candidates: Tensor) -> Posterior:
        """See `Model.posterior`."""
        mean, deviation = self._believed()
        rows, seen = self._shared["rows"], self._shared["seen"]
        left = torch.where(rows > 0, (1 - seen / rows.clamp(min=1)).clamp(min=0), 1.0).float()
        shape = (len(contexts), len(candidates))
        return Posterior(mean[candidates].expand(shape), (deviation * left)[candidates].expand(shape))

    def learn(self, contexts: Tensor, arms: Tensor, trials: Tensor, rewards: Tensor) -> None:
        """See `Model.learn`."""
        self._learned["trials"].index_add_(0, arms, trials.double())
        self._learned["rewards"].index_add_(0, arms, rewards.double() / self.largest)
        self._shared["seen"] += (trials > 0).sum()
        self._belief = None

    def discount(self, factor: float) -> None:
        """See `Model.discount`."""
        self._learned["trials"] *= factor
        self._learned["rewards"] *= factor
        self._belief = None

    def add_arms(self, n: int, prior: Prior | None = None, features: Tensor | None = None) -> None:
        """See `Model.add_arms`; a prior's mean is the text model's word, its strength how far that is trusted."""
        fresh = torch.zeros(n, dtype=torch.float64, device=self.device)
        text, wider = (fresh, fresh + 1) if prior is None else self._told(prior, self._shared["prior"][0])
        grown = {"trials": fresh, "rewards": fresh, "text": text, "wider": wider}
        self._learned = {name: torch.cat([value, grown[name]]) for name, value in self._learned.items()}
        self.arms += n
        self._belief = None

    def worth(self, mean: Tensor) -> Tensor:
        """See `Model.worth`."""
        return mean.sigmoid() * self.largest

    def expect(self, prior: Prior) -> None:
        """See `Model.expect`: the mean of all is the level, and what an arm is above it the text model's word."""
        level = self._log_odds(prior.mean).mean()
        self._shared["prior"][0] = level
        self._learned["text"], self._learned["wider"] = self._told(prior, level)
        self._belief = None

    def belief(self, arms: Tensor) -> Prior | None:
        """See `Model.belief`: what an arm is believed to earn now."""
        return Prior(self.worth(self._believed()[0][arms]), LIKENESS)

    def tensors(self) -> dict[str, Tensor]:
        """See `Model.tensors`."""
        return self._learned | self._shared

    def refresh(self) -> None:
        """See `Model.refresh`."""
        self._belief = None

    def _told(self, prior: Prior, level: Tensor) -> tuple[Tensor, Tensor]:
        """What the text model says of arms, and what their variance is multiplied by: that of log-odds after as many
        trials as a prior is strong, 1 / (n p (1 - p)), over the variance of an arm of which nothing is known.
        """
        odds = self._log_odds(prior.mean)
        rate, (_, _, trust, spread, per_click) = odds.sigmoid(), self._shared["prior"]
        strength = torch.as_tensor(prior.strength).to(odds).clamp(min=1e-6)
        usual = spread + per_click / level.sigmoid()
        return (odds - level) / trust.clamp(min=1e-6), 1 / (strength * rate * (1 - rate) * usual)

    def _log_odds(self, worth: Tensor) -> Tensor:
        mean = worth if worth.dim() == 1 else worth[:, 0]
        return (mean.to(self._shared["prior"]) / self.largest).clamp(1e-4, 1 - 1e-4).logit()

    def _believed(self) -> tuple[Tensor, Tensor]:
        """[arms] mean and deviation of the log-odds; computed where numpy is, once for all that was learned."""
        if self._belief is None:
            prior = ArchivePrior(*self._shared["prior"].tolist())
            trials, rewards, text, wider = (value.cpu().numpy() for value in self._learned.values())
            trials, starts = trials.clip(min=0), np.array([0])
            rewards = rewards.clip(0, trials)
            # From the rates that were seen, not from the prior: far from the mode Newton's steps lead astray.
            seen = logit((rewards + START * expit(prior.level)) / (trials + START))
            at = Belief(np.array([prior.level]), seen, np.ones_like(seen))
            for _ in range(STEPS):
                at = believe(prior, text, trials, rewards, starts, at, wider)
            mean, variance = (torch.from_numpy(value).float().to(self.device) for value in (at.mean, at.variance))
            self._belief = mean, variance.sqrt()
        return self._belief
