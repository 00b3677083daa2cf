"""What every agent does around its learning: it numbers decisions, and takes feedback once, for what was shown only."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ..simulation.data.errors import InputError
from ..simulation.visits import Feedback, Impressions
from .agent import Decision, Estimate, Expectation, PlacementAgent, Worth
from .checks import Candidates, Familiar, Guard, check_contexts, check_feedback
from .ledger import Ledger
from .traffic.slate import Layout, text_vectors


@dataclass(frozen=True)
class Serving:
    """Options that every agent has."""

    discount: float = 1.0
    """Weight of what was learned an impression ago, relative to now; below 1 the agent forgets and follows drift."""
    window: int | None = None
    """Impressions that are remembered; older ones are taken back."""
    floor: float = 0.0
    """Least probability of every open candidate in every slot."""

    def __post_init__(self) -> None:
        for name, fine in (("discount", 0 < self.discount <= 1), ("floor", 0 <= self.floor < 1)):
            if not fine:
                raise InputError(f"{name} {getattr(self, name)}: give a number from 0 to 1")
        if self.window is not None and self.window < 1:
            raise InputError(f"window {self.window}: give 1 impression or more")


class CheckedAgent(PlacementAgent):
    """An agent by name, with a layout for its slates and checks on all that it is given."""

    def __init__(
        self,
        arms: int,
        slots: int,
        generator: torch.Generator,
        worth: Worth,
        width: int | None,
        serving: Serving | None = None,
        layout: Layout | None = None,
        guard: Guard | None = None,
    ) -> None:
        """Sets sizes.

        Args:
            arms: creatives.
            slots: L.
            generator: everything random; the agent lives on its device.
            worth: what feedback is worth.
            width: length of contexts, d; None where they are not looked at.
            serving: forgetting and floor.
            layout: caps on a slate; by default only that no creative is in it twice.
            guard: collects what is refused.
        """
        super().__init__(arms, slots, generator)
        self.name = ""
        self.worth, self.width = worth, width
        self.serving, self.layout = serving or Serving(), layout or Layout()
        self.active = torch.ones(arms, dtype=torch.bool, device=self.device)
        self.ledger = Ledger(slots, self.device)
        self.guard = guard or Guard(self.device)
        self._candidates, self._latest = Candidates(), Familiar()
        self._on_show: Tensor | None = None
        self._yes = torch.ones((), dtype=torch.bool, device=self.device)

    @property
    def on_show(self) -> Tensor:
        """See `PlacementAgent.on_show`; the same tensor until arms come or go, so that it is checked once."""
        if self._on_show is None:
            self._on_show = self.active.nonzero().squeeze(1)
        return self._on_show

    @abstractmethod
    def act(
        self,
        impressions: Impressions,
        candidates: Tensor,
        opened: Tensor | None = None,
        favour: Tensor | None = None,
    ) -> Decision:
        """See `PlacementAgent.act`.

        Args:
            impressions: B visits.
            candidates: [K] int64.
            opened: [B, K] bool.
            favour: [B, K] by how much candidates are favoured beyond what they are believed to earn: for a bandit in
                spreads of what is believed of the candidates, for a network in logits. Propensities are those of the
                choice so made; uniform choice favours nobody.
        """

    @property
    @abstractmethod
    def settings(self) -> dict[str, float]:
        """What `make_agent` takes by name besides sizes: of the rule, or of the learner."""

    @abstractmethod
    def expect(self, expectation: Expectation) -> None:
        """Expects this of all arms, before anything is learned.

        Raises:
            InputError: this agent cannot be told.
        """

    @abstractmethod
    def estimate_propensities(
        self,
        impressions: Impressions,
        candidates: Tensor,
        slates: Tensor,
        draws: int = 2048,
        opened: Tensor | None = None,
        favour: Tensor | None = None,
    ) -> Estimate:
        """Propensities of [B, L] slates given the slots above, before anything more is learned."""

    def remove_arms(self, arms: Tensor) -> None:
        """See `PlacementAgent.remove_arms`."""
        self.active[arms] = False
        self._changed()

    def _changed(self) -> None:
        """Arms came or went."""
        self._on_show = None
        self._candidates.forget()

    def _check_candidates(self, candidates: Tensor) -> None:
        """Raises `InputError` where candidates or caps do not fit; the same tensor is not looked at twice."""
        if self._candidates.check(candidates, self.active, self.slots):
            self.layout.start(candidates, self.slots)

    def _layout_of(self, n: int, like: Tensor | None = None) -> Layout:
        """The layout for n more arms, whose texts the labels hold already, where texts are kept apart."""
        texts = None
        if self.layout.apart is not None and self.labels is not None:
            fresh = self.labels.creatives[self.arms : self.arms + n]
            texts = text_vectors(fresh, self.device)
        return self.layout.grow(n, like, texts)

    def _grow(self, n: int, layout: Layout) -> None:
        """Takes over a layout for n more arms, all of them in service."""
        self.layout = layout
        self.active = torch.cat([self.active, torch.ones(n, dtype=torch.bool, device=self.device)])
        self.arms = len(self.active)
        self._changed()

    def _accept(self, feedback: Feedback) -> Tensor:
        """One bool on the device: this can be learned from. The answer to the latest decision needs no second look."""
        given = (feedback.impressions.context, feedback.slates, feedback.propensities, feedback.decisions)
        latest = not self.guard.deferred and feedback.decisions is not None and self._latest.all_of(*given)
        self._latest.forget()
        if latest:
            return self._yes
        ok = check_contexts(feedback.impressions, self.width, self.guard)
        ok = ok & check_feedback(feedback, self.arms, self.guard)
        if feedback.decisions is not None:
            valid = self.ledger.valid(feedback.decisions, feedback.slates)
            ok = ok & self.guard.require(valid, "feedback.decisions: came twice, or not for the slates that were shown")
        return ok


def check_opened(opened: Tensor | None, impressions: Impressions, candidates: Tensor, slots: int) -> None:
    """Raises `InputError` where `opened` is not [B, K] bool with room for every slot (not looked at on a GPU)."""
    if opened is None:
        return
    shape = (len(impressions), len(candidates))
    if opened.shape != shape or opened.dtype != torch.bool:
        raise InputError(f"opened: expected {list(shape)} bool, got {list(opened.shape)} {opened.dtype}")
    if not opened.is_cuda and int(opened.sum(1).min()) < slots:
        raise InputError(f"opened: fewer than {slots} candidates for a visitor; a slate repeats no creative")
