import math

import pytest
import torch
from copybandit.simulation.exposure import Exposure


@pytest.fixture
def exposure() -> Exposure:
    return Exposure(recovery=24.0, grown=torch.zeros(2, 3))


def look(exposure: Exposure, user: int, creative: int, hours: float, times: int = 1) -> None:
    when = torch.full((times,), hours, dtype=torch.float64)
    exposure.see(torch.full((times,), user), torch.full((times, 1), creative), when, torch.ones(times, 1).bool())


def level(exposure: Exposure, user: int, creative: int, hours: float) -> float:
    when = torch.tensor([hours], dtype=torch.float64)
    return exposure.level(torch.tensor([user]), torch.tensor([[creative]]), when).item()


def test_looks_add_up_and_fade(exposure):
    look(exposure, 1, 2, hours=0.0)
    assert level(exposure, 1, 2, 24.0) == pytest.approx(math.exp(-1))
    look(exposure, 1, 2, hours=24.0, times=3)
    assert level(exposure, 1, 2, 48.0) == pytest.approx(math.exp(-2) + 3 * math.exp(-1))
    assert level(exposure, 1, 1, 48.0) == level(exposure, 0, 2, 48.0) == 0.0


def test_only_what_was_examined_counts(exposure):
    slates, examined = torch.tensor([[0, 1]]), torch.tensor([[True, False]])
    exposure.see(torch.tensor([0]), slates, torch.zeros(1, dtype=torch.float64), examined)
    assert [level(exposure, 0, c, 0.0) for c in range(3)] == [1.0, 0.0, 0.0]


def test_memory_outlasts_a_move_of_the_origin(exposure):
    look(exposure, 0, 0, hours=470.0)
    exposure.rebase(now=479.0)
    assert exposure.origin == 0.0
    exposure.rebase(now=481.0)
    assert exposure.origin == 481.0
    assert level(exposure, 0, 0, 494.0) == pytest.approx(math.exp(-1))
    look(exposure, 0, 0, hours=1e5)
    exposure.rebase(now=1e6)
    assert level(exposure, 0, 0, 1e6) == level(exposure, 0, 0, 0.0) == 0.0


def test_new_creatives_are_unseen_and_clearing_forgets(exposure):
    look(exposure, 0, 1, hours=0.0)
    exposure.add_creatives(2)
    assert exposure.grown.tolist() == [[0, 1, 0, 0, 0], [0] * 5]
    exposure.clear()
    assert not exposure.grown.any()
