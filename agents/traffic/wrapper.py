"""An agent around another: it changes what is offered or what is learned, and leaves the rest to the one inside."""

from torch import Tensor

from ...simulation.visitors.traffic import Impressions
from ...simulation.world import Feedback
from ..agent import Decision, PlacementAgent


class Wrapper(PlacementAgent):
    """Hands everything on to `agent`; subclasses override what they are for."""

    def __init__(self, agent: PlacementAgent) -> None:
        """Stands before an agent."""
        super().__init__(agent.arms, agent.slots, agent.generator)
        self.agent, self.labels = agent, agent.labels

    @property
    def on_show(self) -> Tensor:
        """See `PlacementAgent.on_show`."""
        return self.agent.on_show

    def act(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """See `PlacementAgent.act`."""
        return self.agent.act(impressions, candidates)

    def update(self, feedback: Feedback) -> None:
        """See `PlacementAgent.update`."""
        self.agent.update(feedback)

    def add_arms(self, n: int) -> None:
        """See `PlacementAgent.add_arms`."""
        self.agent.add_arms(n)
        self.arms = self.agent.arms

    def add_successors(self, arms: Tensor) -> None:
        """See `PlacementAgent.add_successors`."""
        self.agent.add_successors(arms)
        self.arms = self.agent.arms

    def remove_arms(self, arms: Tensor) -> None:
        """See `PlacementAgent.remove_arms`."""
        self.agent.remove_arms(arms)

    def state_dict(self) -> dict[str, Tensor]:
        """What the agent inside has learned."""
        return self.agent.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """See `PlacementAgent.load_state_dict`."""
        self.agent.load_state_dict(state)
