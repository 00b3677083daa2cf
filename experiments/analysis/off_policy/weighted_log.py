"""What a log says of a policy: rewards, weights, and a reward model's word."""

from dataclasses import dataclass

import numpy as np

from ..statistics.bootstrap import Array


@dataclass(frozen=True)
class WeightedLog:
    """What a log, or a block of it, says of a policy; all [n, L], L = 1 where one thing is shown."""

    reward: Array
    weight: Array | None
    """pi_e / pi_b of each creative in its slot, whatever stands above; None where the log does not tell."""
    chain: Array | None
    """pi_e / pi_b of each creative given the slots above; None where the log does not tell. For L = 1 the two agree."""
    predicted: Array
    """A reward model's word on what was shown, learned from other rows."""
    expected: Array
    """The same averaged over what the policy would put in each slot."""
    expected_below: Array
    """The same averaged over what the policy would put there below the logged slots above."""
    most: float = 1.0
    """Largest reward of a slot: a click, and a conversion at its worth."""
    kept: Array | None = None
    """1 where replay keeps the decision, else 0."""

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def slots(self) -> int:
        """L."""
        return self.reward.shape[1]

    @property
    def down_the_slate(self) -> tuple[Array, Array]:
        """What the model says of a slot and all below it: of what was shown there, and of the policy's choice there.

        What it expects of the slots below a slot is the same whatever the slot holds: it joins both sides.
        """
        below = np.cumsum(self.expected[:, ::-1], axis=1)[:, ::-1] - self.expected
        return self.predicted + below, self.expected_below + below
