"""A bandit: a model that learns, a rule that fills slots, and what both need around them while serving."""

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..simulation.data.errors import InputError
from ..simulation.visits import Feedback, Impressions
from .agent import Decision, Estimate, Expectation, Worth
from .checked import CheckedAgent, Serving, check_opened
from .checks import check_contexts, check_shapes, known_conversion, known_outcomes
from .models.linear import DisjointLinear
from .models.posterior import Favoured, Model, Posterior
from .models.window import History
from .pool import Pool
from .propensity import estimate
from .rules import Rule, sample, with_floor
from .traffic.slate import Layout


class Bandit(CheckedAgent):
    """Fills slates slot by slot by a rule, from what a model believes of the candidates still open."""

    def __init__(
        self,
        model: Model,
        rule: Rule,
        slots: int,
        generator: torch.Generator,
        worth: Worth,
        width: int | None = None,
        serving: Serving | None = None,
        layout: Layout | None = None,
    ) -> None:
        """Puts the parts together.

        Args:
            model: learns; on the generator's device.
            rule: fills a slot.
            slots: L.
            generator: everything random.
            worth: what feedback is worth.
            width: length of contexts, d; None where the model does not look at them.
            serving: forgetting and floor.
            layout: caps on a slate; by default only that no creative is in it twice.
        """
        super().__init__(model.arms, slots, generator, worth, width, serving, layout)
        self.model, self.rule = model, rule
        forgetful = self.serving.window is None or model.keeps_window
        self._history = None if forgetful else History(self.serving.window or 0, slots)
        plain = self.serving == Serving() and layout is None and slots == 1 and worth.click_cost is None
        self._single = plain and self.device.type == "cpu" and type(model) is DisjointLinear
        self._single = self._single and hasattr(rule, "pick_one")
        self._slates, self._chances = Pool((1, 1), torch.int64), Pool((1, 1), torch.float32)
        self._numbers = Pool((1,), torch.int64)
        self._checked: tuple[Tensor, int, np.ndarray] | None = None
        self._examination: Any = worth.examination.numpy() if self._single else None

    @property
    def settings(self) -> dict[str, float]:
        """Of the rule."""
        return dict(vars(self.rule))

    def act(
        self,
        impressions: Impressions,
        candidates: Tensor,
        opened: Tensor | None = None,
        favour: Tensor | None = None,
    ) -> Decision:
        """See `CheckedAgent.act`.

        Raises:
            InputError: contexts of the wrong width, NaN or infinite; candidates unknown, removed, repeated or fewer
                than the slots.
        """
        self.guard.settle()
        self._check_candidates(candidates)
        if self._single and opened is None and favour is None and impressions.context.shape[0] == 1:
            return self._act_one(impressions, candidates)
        check_contexts(impressions, self.width, self.guard)
        check_opened(opened, impressions, candidates, self.slots)
        slates, propensities = self._fill(self._belief(impressions, candidates, favour), candidates, opened)
        numbers = self.ledger.issue(slates)
        self._latest.remember(impressions.context, slates, propensities, numbers)
        return Decision(slates, propensities, numbers)

    def update(self, feedback: Feedback) -> None:
        """See `PlacementAgent.update`; feedback marked by `Decision.answer` counts once.

        Visits with an outcome that is not known (NaN) are not learned from; their answer may come later.

        Raises:
            InputError: naming what does not fit; nothing was learned then.
        """
        self.guard.settle()
        if self._single and feedback.slates.shape[0] == 1:
            return self._update_one(feedback)
        check_shapes(feedback)
        feedback = known_outcomes(feedback)
        if not len(feedback.slates):
            return None
        ok = self._accept(feedback)
        if feedback.decisions is not None:
            self.ledger.close(feedback.decisions, ok)
        self._learn(feedback, ok)
        return None

    def admit(self, feedback: Feedback) -> Feedback:
        """See `PlacementAgent.admit`; visits whose outcome is not known yet may still be answered."""
        if feedback.decisions is None:
            return feedback
        self.guard.settle()
        check_shapes(feedback)
        known = known_outcomes(feedback)
        if known.decisions is not None and len(known.slates):
            self.ledger.close(known.decisions, self._accept(known))
        return dataclasses.replace(feedback, decisions=None)

    @property
    def credits(self) -> bool:
        """A model that adds rows up does, unless rows leave a window again."""
        return self._history is None and not self.model.keeps_window

    def credit(self, feedback: Feedback, conversions: Tensor) -> None:
        """See `PlacementAgent.credit`: rows that earn and are no trial."""
        if not self.credits:
            return super().credit(feedback, conversions)
        self.guard.settle()
        feedback = dataclasses.replace(feedback, decisions=None)
        check_shapes(feedback)
        if conversions.shape != feedback.slates.shape:
            raise InputError(f"conversions: expected {list(feedback.slates.shape)}, got {list(conversions.shape)}")
        ok = self._accept(feedback)
        row, slot = conversions.nonzero(as_tuple=True)
        if not len(row):
            return None
        arms, x = feedback.slates[row, slot], feedback.impressions.context.float()[row]
        worth = self.worth.conversion_value * conversions[row, slot].float()
        if self.guard.deferred:
            fine = ok[row, slot]
            x, arms = torch.where(fine[:, None], x, 0.0), arms.clamp(0, self.arms - 1)
            worth = torch.where(fine, worth, 0.0)
        self.model.learn(*self.model.prepare(x, arms, torch.zeros_like(worth), worth))
        return None

    def expected_worth(self, impressions: Impressions, candidates: Tensor) -> Tensor:
        """See `PlacementAgent.expected_worth`: from the means of what is believed."""
        mean = self.model.posterior(impressions.context.float(), candidates).mean
        best = self.model.worth(mean).topk(self.slots, dim=1).values
        return self.worth.of_slate(best, impressions.channel)

    def expect(self, expectation: Expectation) -> None:
        """See `CheckedAgent.expect`."""
        self.model.expect(self.model.prior(expectation.worth, expectation.trials))

    def add_arms(
        self,
        n: int,
        expectation: Expectation | None = None,
        features: Tensor | None = None,
    ) -> None:
        """Makes room for n more creatives.

        Args:
            n: how many.
            expectation: what they are expected to earn.
            features: [n, f] of their texts, for models that share what they learn across arms.
        """
        prior = None if expectation is None else self.model.prior(expectation.worth, expectation.trials)
        layout = self._layout_of(n)
        self.model.add_arms(n, prior, features)
        self._grow(n, layout)

    def add_successors(self, arms: Tensor) -> None:
        """See `PlacementAgent.add_successors`."""
        layout = self._layout_of(len(arms), arms)
        self.model.add_arms(len(arms), self.model.belief(arms))
        self._grow(len(arms), layout)

    def estimate_propensities(
        self,
        impressions: Impressions,
        candidates: Tensor,
        slates: Tensor,
        draws: int = 2048,
        opened: Tensor | None = None,
        favour: Tensor | None = None,
    ) -> Estimate:
        """Propensities of [B, L] slates given the slots above, before anything more is learned.

        Exact where the rule has a closed form; by quadrature for independent normal beliefs; by `draws` Monte Carlo
        draws otherwise. Nothing is drawn from the agent's own generator.
        """
        check_contexts(impressions, self.width, self.guard)
        belief = self._belief(impressions, candidates, favour)
        return estimate(self.rule, belief, self.layout, candidates, slates, self.serving.floor, draws, opened)

    def state_dict(self) -> dict[str, Tensor]:
        """All that was learned, the decisions that wait for feedback, and the state of the generator."""
        state = {f"model.{name}": value for name, value in self.model.tensors().items()}
        state |= {f"ledger.{name}": value for name, value in self.ledger.tensors().items()}
        if self._history is not None:
            state |= {f"history.{name}": value for name, value in self._history.tensors().items()}
        return state | {"active": self.active, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """See `PlacementAgent.load_state_dict`.

        The generator's state is taken over where it comes from the same kind of device; elsewhere the stream goes on
        from this agent's own seed.
        """
        own = self.state_dict()
        for name in sorted(own.keys() | state.keys()):
            if name.startswith("history.") and self._history is not None:
                continue
            fits = name in own and name in state and own[name].dtype == state[name].dtype
            if fits and not name.startswith(("ledger.", "generator")):
                fits = own[name].shape == state[name].shape
            if not fits:
                raise InputError(f"state: '{name}' is missing, unknown or of another shape; it is of other settings")
        for name, value in own.items():
            if name.startswith("model.") or name == "active":
                value.copy_(state[name])
        self.model.refresh()
        self.ledger.load(_part(state, "ledger.", self.device))
        if self._history is not None:
            self._history.load(_part(state, "history.", self.device))
        if state["generator"].shape == own["generator"].shape:
            self.generator.set_state(state["generator"].cpu())
        self._changed()

    def _belief(self, impressions: Impressions, candidates: Tensor, favour: Tensor | None) -> Posterior:
        belief = self.model.posterior(impressions.context.float(), candidates)
        return belief if favour is None else Favoured(belief, favour)

    def _fill(self, belief: Posterior, candidates: Tensor, opened: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """[B, L] slates and their propensities, slot by slot."""
        if self.slots > 1 and getattr(self.rule, "scale", 0):
            # Slot after slot needs them: they are computed once, for all candidates.
            _ = belief.deviation
        chosen, chances = [], []
        for slot in range(self.slots):
            index, chance = self._pick(belief, opened)
            chosen.append(index)
            chances.append(chance)
            if slot + 1 < self.slots:
                opened = self.layout.close(opened, torch.stack(chosen, 1), candidates, belief.mean.shape)
        propensities = None if chances[0] is None else torch.stack(chances, 1)
        return candidates[torch.stack(chosen, 1)], propensities

    def _pick(self, belief: Posterior, opened: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if not self.serving.floor:
            return self.rule.pick(belief, opened, self.generator)
        if self.rule.exact:
            chances = with_floor(self.rule.distribution(belief, opened), opened, self.serving.floor)
            return sample(chances, self.generator)
        index, _ = self.rule.pick(belief, opened, self.generator)
        fair = torch.ones_like(belief.mean) if opened is None else opened.float()
        n = fair.sum(1)
        explore = torch.rand(len(n), generator=self.generator, device=self.device) < n * self.serving.floor
        return torch.where(explore, sample(fair / n[:, None], self.generator)[0], index), None

    def _learn(self, feedback: Feedback, ok: Tensor) -> None:
        n, slots = feedback.slates.shape
        x = feedback.impressions.context.float()
        trials, rewards = self.worth.trials(feedback), self.worth.rewards(feedback)
        arms = feedback.slates
        if self.guard.deferred:
            # What is not ok must leave no trace, and must not lead outside the tables.
            x, arms = torch.where(ok, x, 0.0), arms.clamp(0, self.arms - 1)
            trials, rewards = torch.where(ok, trials, 0.0), torch.where(ok, rewards, 0.0)
        if slots > 1:
            x = x.repeat_interleave(slots, dim=0)
        if self.serving.discount < 1:
            self.model.discount(self.serving.discount**n)
        rows = self.model.prepare(x, arms.flatten(), trials.flatten(), rewards.flatten())
        self.model.learn(*rows)
        if self._history is not None:
            for x, arms, trials, rewards in self._history.exchange(rows, n, self.serving.discount):
                self.model.learn(x, arms, -trials, -rewards)

    def _act_one(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """`act` for one visitor and one slot on the CPU, in numpy: torch's overhead a call would dominate."""
        model: Any = self.model
        x = self._context_of_one(impressions)
        mean, deviation = model.score_one(x, None if self._candidates.all_arms else candidates.numpy())
        rule: Any = self.rule
        index, chance = rule.pick_one(mean, deviation, self.generator)
        arm = index if self._candidates.all_arms else int(candidates[index])
        number = self._numbers.take(self.ledger.issue_one(arm))
        return Decision(self._slates.take(arm), None if chance is None else self._chances.take(chance), number)

    def _update_one(self, feedback: Feedback) -> None:
        """`update` for one visitor and one slot on the CPU."""
        model: Any = self.model
        x = self._context_of_one(feedback.impressions)
        try:
            arm = feedback.slates.item()
            clicked, converted = feedback.clicked.item(), feedback.converted.item()
            chance = 1.0 if feedback.propensities is None else feedback.propensities.item()
        except RuntimeError:
            raise InputError(
                "feedback: slates, clicked, converted, propensities must hold one value each here"
            ) from None
        if type(arm) is not int or not 0 <= arm < self.arms:
            raise InputError(f"feedback.slates: an unknown arm; known are 0 to {self.arms - 1}")
        if not 0 < chance <= 1 + 1e-5:
            raise InputError("feedback.propensities: each must lie in (0, 1]; what was shown had a chance")
        conversion = known_conversion(clicked, converted)
        if feedback.decisions is not None:
            number = int(feedback.decisions.item())
            if not self.ledger.valid_one(number, arm):
                raise InputError("feedback.decisions: came twice, or not for the slates that were shown")
            if conversion is not None:
                self.ledger.close_one(number)
        if conversion is None:
            return
        reward = clicked + self.worth.conversion_value * conversion
        trial = self._examination.item(feedback.impressions.channel.item(), 0)
        model.learn_one(x, arm, trial, reward)

    def _context_of_one(self, impressions: Impressions) -> np.ndarray:
        context = impressions.context
        last = self._checked
        if last is not None and last[0] is context and last[1] == context._version:
            return last[2]
        row = context.numpy()
        if row.dtype != np.float32:
            row = row.astype(np.float32)
        if row.shape != (1, self.width):
            raise InputError(f"impressions.context: expected [B, {self.width}], B >= 1, got {list(context.shape)}")
        x = row[0]
        if not math.isfinite(x.dot(x)):
            raise InputError("impressions.context: a value is NaN or infinite")
        self._checked = (context, context._version, x)
        return x


def _part(state: dict[str, Tensor], prefix: str, device: torch.device) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value.to(device) for name, value in state.items() if name.startswith(prefix)}
