"""PPO, A2C and DQN of stable-baselines3, which meet the same visitors as the bandits and learn from what comes back."""

import torch
from torch import Tensor

from ...simulation.data.errors import InputError
from ...simulation.visits import Feedback, Impressions
from ..agent import Decision, Estimate, Expectation, Worth
from ..checked import CheckedAgent, Serving, check_opened
from ..checks import Guard, check_contexts, check_shapes, known_outcomes
from ..rules import sample, with_floor
from ..traffic.slate import Layout
from .learner import DeepLearner, SlotRows
from .on_policy import ActorCritic, ProximalPolicy
from .q_network import QNetwork

LEARNERS: dict[str, type[DeepLearner]] = {"sb3-ppo": ProximalPolicy, "sb3-a2c": ActorCritic, "sb3-dqn": QNetwork}
WAITING = 1 << 16
"""Decisions whose open candidates are remembered until their feedback comes."""


class DeepAgent(CheckedAgent):
    """Fills slates slot by slot by a learner's policy; propensities are exact.

    A slot is a state of its own, so that a slot's low clicks are learned to be the slot's. Slots that the click model
    says nobody reached are not learned from.
    """

    def __init__(
        self,
        name: str,
        arms: int,
        slots: int,
        generator: torch.Generator,
        worth: Worth,
        width: int,
        serving: Serving | None = None,
        layout: Layout | None = None,
        **settings: float,
    ) -> None:
        """Builds the learner.

        Args:
            name: of `LEARNERS`.
            arms: creatives, K.
            slots: L.
            generator: on the agent's device; everything random.
            worth: what feedback is worth.
            width: length of contexts, d.
            serving: propensity floor; learners forget at their own pace.
            layout: caps on a slate.
            settings: of the learner, by stable-baselines3's names.

        Raises:
            InputError: no such agent or setting; forgetting is asked for.
        """
        if serving and (serving.discount < 1 or serving.window is not None):
            raise InputError(f"{name}: forgets at its own pace; leave out discount and window, or choose a bandit")
        if name not in LEARNERS:
            raise InputError(f"no deep agent '{name}'; known are {', '.join(LEARNERS)}")
        # Training waits for the device anyway; so what is wrong can be told at once.
        guard = Guard(generator.device, deferred=False)
        super().__init__(arms, slots, generator, worth, width, serving, layout, guard)
        self.name = name
        self.learner = LEARNERS[name](arms, width + slots, generator, settings)
        self._numbers = torch.zeros(0, dtype=torch.int64, device=self.device)
        self._opened = torch.zeros(0, arms, dtype=torch.bool, device=self.device)

    @property
    def settings(self) -> dict[str, float]:
        """Of the learner."""
        return self.learner.settings

    def act(
        self,
        impressions: Impressions,
        candidates: Tensor,
        opened: Tensor | None = None,
        favour: Tensor | None = None,
    ) -> Decision:
        """See `CheckedAgent.act`; raises as `Bandit.act` does."""
        self._check_candidates(candidates)
        check_contexts(impressions, self.width, self.guard)
        check_opened(opened, impressions, candidates, self.slots)
        first = self._among_all(len(impressions), candidates, opened)
        logits = self._logits(candidates, favour)
        free, chosen, chances = first, [], []
        for slot in range(self.slots):
            arm, chance = sample(self._chances(impressions.context, slot, free, logits), self.generator)
            chosen.append(arm)
            chances.append(chance)
            free = self._after(free, torch.stack(chosen, 1))
        slates, propensities = torch.stack(chosen, 1), torch.stack(chances, 1)
        numbers = self.ledger.issue(slates)
        self._numbers = torch.cat([self._numbers, numbers])[-WAITING:]
        self._opened = torch.cat([self._opened, first])[-WAITING:]
        self._latest.remember(impressions.context, slates, propensities, numbers)
        return Decision(slates, propensities, numbers)

    def update(self, feedback: Feedback) -> None:
        """See `PlacementAgent.update`; feedback marked by `Decision.answer` counts once.

        What was open then is known of feedback that is so marked; otherwise all arms are taken to have been open, and
        where it tells no propensities either, the policy of now to have chosen.

        Raises:
            InputError: naming what does not fit; nothing was learned then.
        """
        check_shapes(feedback)
        feedback = known_outcomes(feedback)
        if not len(feedback.slates):
            return
        ok = self._accept(feedback)
        if feedback.decisions is not None:
            self.ledger.close(feedback.decisions, ok)
        self._learn(feedback, self._opened_then(feedback))

    def expected_worth(self, impressions: Impressions, candidates: Tensor) -> Tensor:
        """See `PlacementAgent.expected_worth`: PPO and A2C say what their own slate is worth."""
        free = self._among_all(len(impressions), candidates, None)
        worth, chosen = torch.zeros(len(impressions), device=self.device), []
        for slot in range(self.slots):
            worth += self.learner.worth(self._observed(impressions.context, slot), free)
            chosen.append(self._chances(impressions.context, slot, free).argmax(1))
            free = self._after(free, torch.stack(chosen, 1))
        return self.worth.largest * worth

    def expect(self, expectation: Expectation) -> None:
        """Refused: see `CheckedAgent.expect`."""
        raise InputError(f"{self.name}: a network cannot be told what to expect of creatives; choose a bandit")

    def add_arms(self, n: int, expectation: Expectation | None = None) -> None:
        """See `PlacementAgent.add_arms`.

        Raises:
            InputError: something is expected of them; a network has no place for that.
        """
        if expectation is not None:
            self.expect(expectation)
        self._grow_all(n, None)

    def add_successors(self, arms: Tensor) -> None:
        """See `PlacementAgent.add_successors`: new arms begin with the outputs of those they follow."""
        self._grow_all(len(arms), arms)

    def estimate_propensities(
        self,
        impressions: Impressions,
        candidates: Tensor,
        slates: Tensor,
        draws: int = 2048,
        opened: Tensor | None = None,
        favour: Tensor | None = None,
    ) -> Estimate:
        """Propensities of [B, L] slates given the slots above; exact."""
        logits = self._logits(candidates, favour)
        free, chances = self._among_all(len(slates), candidates, opened), []
        for slot in range(slates.shape[1]):
            chance = self._chances(impressions.context, slot, free, logits)
            chances.append(chance.gather(1, slates[:, slot, None]).squeeze(1))
            free = self._after(free, slates[:, : slot + 1])
        found = torch.stack(chances, 1)
        return Estimate(found, torch.zeros_like(found), "exact")

    def state_dict(self) -> dict[str, Tensor]:
        """All that was learned, decisions and rows that wait, and the state of the generator."""
        state = {f"model.{name}": value for name, value in self.learner.tensors().items()}
        state |= {f"ledger.{name}": value for name, value in self.ledger.tensors().items()}
        state |= {"waiting.numbers": self._numbers, "waiting.opened": self._opened, "active": self.active}
        return state | {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """See `PlacementAgent.load_state_dict`."""
        own = {name: value for name, value in self.state_dict().items() if name.startswith(("model.policy.", "active"))}
        needed = [*own, "ledger.issued", "waiting.numbers", "waiting.opened", "generator"]
        for name in needed:
            if name not in state or (name in own and own[name].shape != state[name].shape):
                raise InputError(f"state: '{name}' is missing or of another shape; it is of other settings")
        strange = sorted(
            name
            for name in state
            if name not in needed and not name.startswith(("model.optimizer.", "model.rows.", "ledger."))
        )
        if strange:
            raise InputError(f"state: '{strange[0]}' is unknown; it is of other settings")
        there = {name: value.to(self.device).clone() for name, value in state.items() if name != "generator"}
        self.learner.load({name[6:]: value for name, value in there.items() if name.startswith("model.")})
        self.ledger.load({name[7:]: value for name, value in there.items() if name.startswith("ledger.")})
        self.active.copy_(there["active"])
        self._numbers, self._opened = there["waiting.numbers"], there["waiting.opened"]
        if state["generator"].shape == self.generator.get_state().shape:
            self.generator.set_state(state["generator"].cpu())
        self._changed()

    def _learn(self, feedback: Feedback, free: Tensor) -> None:
        slates, context = feedback.slates, feedback.impressions.context
        trials, rewards = self.worth.trials(feedback), self.worth.rewards(feedback) / self.worth.largest
        parts = []
        for slot in range(slates.shape[1]):
            arm = slates[:, slot]
            # Of what was logged elsewhere an arm may have been shown that is closed by now.
            free = free.scatter(1, arm[:, None], True)
            if feedback.propensities is None:
                chance = self._chances(context, slot, free).gather(1, arm[:, None]).squeeze(1)
            else:
                chance = feedback.propensities[:, slot]
            reached = trials[:, slot] > 0
            part = SlotRows(self._observed(context, slot), free, arm, rewards[:, slot].float(), chance)
            parts.append(part[reached])
            free = self._after(free, slates[:, : slot + 1])
        # Visit by visit, slots in order: the order of a stream of single visitors.
        rows = SlotRows.joined(parts)
        visit = torch.cat([(trials[:, slot] > 0).nonzero().squeeze(1) for slot in range(slates.shape[1])])
        self.learner.learn(rows[visit.argsort(stable=True)])

    def _opened_then(self, feedback: Feedback) -> Tensor:
        """[B, arms] what was open for the first slot when [B] decisions were made; these are then forgotten."""
        free = self.active.expand(len(feedback.slates), -1)
        if feedback.decisions is None or not len(self._numbers):
            return free
        place = torch.searchsorted(self._numbers, feedback.decisions).clamp(max=len(self._numbers) - 1)
        known = self._numbers[place] == feedback.decisions
        free = torch.where(known[:, None], self._opened[place], free)
        stays = torch.ones(len(self._numbers), dtype=torch.bool, device=self.device)
        stays[place[known]] = False
        self._numbers, self._opened = self._numbers[stays], self._opened[stays]
        return free

    def _observed(self, context: Tensor, slot: int) -> Tensor:
        """[B, d + L]: the visitor, and which slot is to be filled."""
        place = torch.zeros(len(context), self.slots, device=self.device)
        place[:, slot] = 1.0
        return torch.cat([context.float(), place], 1)

    def _chances(self, context: Tensor, slot: int, free: Tensor, logits: Tensor | None = None) -> Tensor:
        chances = self.learner.chances(self._observed(context, slot), free)
        if logits is not None:
            chances = (chances.log() + logits).softmax(1)
        floor = self.serving.floor
        return with_floor(chances, free, floor) if floor else chances

    def _logits(self, candidates: Tensor, favour: Tensor | None) -> Tensor | None:
        """[B, arms] what is added to the logits, of [B, K] favours of candidates."""
        if favour is None:
            return None
        return favour.new_zeros(len(favour), self.arms).index_copy_(1, candidates, favour)

    def _after(self, free: Tensor, chosen: Tensor) -> Tensor:
        """[B, arms] what is open after [B, l] arms were chosen."""
        return self.layout.close(free, chosen, torch.arange(self.arms, device=self.device), free.shape)

    def _among_all(self, n: int, candidates: Tensor, opened: Tensor | None) -> Tensor:
        """[B, arms] what is open, of [B, K] open candidates."""
        free = torch.zeros(n, self.arms, dtype=torch.bool, device=self.device)
        free[:, candidates] = True if opened is None else opened
        return free

    def _grow_all(self, n: int, like: Tensor | None) -> None:
        layout = self._layout_of(n, like)
        self.learner.grow(n, like)
        self._opened = torch.cat([self._opened, self._opened.new_zeros(len(self._opened), n)], 1)
        self._grow(n, layout)
