import pytest
import torch
from copybandit.agents.checked import Serving
from copybandit.simulation.world import Feedback

from .conftest import ARMS, build, visits


def earned_after_drift(serving, seed):
    """Arm 2 pays for 40 batches, then arm 4 does; what is earned an impression in the 40 batches after."""
    agent, total = build("lints", slots=1, seed=seed, serving=serving), 0.0
    for i in range(80):
        come = visits(32, seed=100 * seed + i)
        decision = agent.act(come, torch.arange(ARMS))
        chance = torch.where(decision.slates == (2 if i < 40 else 4), 0.6, 0.1)
        total += float(chance.mean()) if i >= 40 else 0.0
        clicked = torch.rand(chance.shape, generator=torch.Generator().manual_seed(100 * seed + i)) < chance
        no = torch.zeros_like(clicked)
        agent.update(decision.answer(Feedback(come, decision.slates, clicked, no, torch.full(chance.shape, torch.inf))))
    return total / 40


@pytest.mark.parametrize("serving", [Serving(discount=0.997), Serving(window=320)], ids=["discount", "window"])
def test_forgetting_beats_remembering_after_a_drift(serving):
    gains = [earned_after_drift(serving, seed) - earned_after_drift(Serving(), seed) for seed in range(4)]
    assert min(gains) > 0.03
