import math

import pytest
import torch
from copybandit.simulation.response.lookup import MOOD, WORN, Lookup


@pytest.fixture
def lookup() -> Lookup:
    """Two users, three rows of what is sought, two categories; three creatives, the last of category 1."""
    lookup = Lookup(users=2, sought=3, categories=2, recovery=(24.0, 48.0), device=torch.device("cpu"))
    click, sought = torch.arange(6.0).view(2, 3), torch.arange(9.0).view(3, 3)
    lookup.publish(click, 10 + click, 100 + sought, torch.tensor([0, 0, 1]))
    return lookup


def where(lookup: Lookup, user: int, creative: int, times: int = 1, sought: int = 0):
    return lookup.cells(torch.full((times,), user), torch.full((times,), sought), torch.full((times, 1), creative))


def look(lookup: Lookup, user: int, creative: int, hours: float, times: int = 1, mood: float = 0.0) -> None:
    growth = lookup.growth(torch.full((times,), hours, dtype=torch.float64))
    lookup.remember(where(lookup, user, creative, times), torch.tensor([1.0, mood])[:, None, None] * growth)


def level(lookup: Lookup, user: int, creative: int, hours: float) -> list[float]:
    growth = lookup.growth(torch.tensor([hours], dtype=torch.float64))
    return (lookup.figures(where(lookup, user, creative))[WORN:] / growth).flatten().tolist()


def test_figures_are_found_by_user_creative_and_what_is_sought(lookup):
    look(lookup, 1, 2, hours=0.0, mood=0.5)
    assert lookup.figures(where(lookup, 1, 2, sought=2)).flatten().tolist() == [5.0, 15.0, 108.0, 1.0, 0.5]
    assert lookup.figures(where(lookup, 0, 1, sought=1)).flatten().tolist() == [1.0, 11.0, 104.0, 0.0, 0.0]


def test_events_add_up_and_fade(lookup):
    look(lookup, 1, 2, hours=0.0)
    assert level(lookup, 1, 2, 24.0)[0] == pytest.approx(math.exp(-1))
    look(lookup, 1, 2, hours=24.0, times=3)
    assert level(lookup, 1, 2, 48.0)[0] == pytest.approx(math.exp(-2) + 3 * math.exp(-1))
    assert level(lookup, 1, 1, 48.0) == level(lookup, 0, 2, 48.0) == [0.0, 0.0]


def test_creatives_of_a_category_share_its_mood(lookup):
    look(lookup, 0, 0, hours=0.0, mood=2.0)
    look(lookup, 0, 1, hours=0.0, mood=-0.5)
    assert level(lookup, 0, 0, 0.0) == [1.0, 1.5]
    assert level(lookup, 0, 1, 48.0) == pytest.approx([math.exp(-2), 1.5 * math.exp(-1)])
    assert level(lookup, 0, 2, 0.0) == level(lookup, 1, 0, 0.0) == [0.0, 0.0]


def test_memory_outlasts_a_move_of_the_origin(lookup):
    look(lookup, 0, 0, hours=470.0, mood=1.0)
    lookup.rebase(now=479.0)
    assert lookup.origin == 0.0
    lookup.rebase(now=481.0)
    assert lookup.origin == 481.0
    assert level(lookup, 0, 0, 494.0) == pytest.approx([math.exp(-1), math.exp(-0.5)])
    look(lookup, 0, 0, hours=1e5)
    lookup.rebase(now=1e6)
    assert level(lookup, 0, 0, 1e6) == level(lookup, 0, 0, 0.0) == [0.0, 0.0]


def test_new_creatives_are_unseen_and_forgetting_keeps_what_stays(lookup):
    look(lookup, 0, 1, hours=0.0, mood=0.5)
    lookup.publish(torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(3, 2), torch.tensor([1, 0]))
    assert lookup.part(WORN).tolist() == [[0, 1, 0, 0, 0], [0] * 5]
    assert lookup.part(MOOD).tolist() == [[0.5, 0], [0, 0]]
    assert level(lookup, 0, 4, 0.0) == [0.0, 0.5]
    lookup.forget()
    assert lookup.figures(where(lookup, 0, 1, sought=2)).flatten().tolist() == [1.0, 11.0, 107.0, 0.0, 0.0]
