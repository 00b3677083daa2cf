import numpy as np
import pytest
from copybandit.simulation.reader.chains import Chain, weak_lines
from copybandit.simulation.reader.hands import HANDS, UNSEEN, garbled
from copybandit.simulation.text.encoder import tokens

LINES = [
    "A heavy pan for the oven, the hob and the fire in the garden.",
    "Wake up to coffee that was roasted on the day that you ordered it.",
    "The lamp by the door knows when you come home from work.",
]


@pytest.mark.parametrize("name", [*HANDS, *UNSEEN])
def test_a_hand_spoils_a_line_and_the_same_seed_in_the_same_way(name):
    hand = (HANDS | UNSEEN)[name]
    first, again = (garbled(LINES[0], hand, LINES, np.random.default_rng(3)) for _ in range(2))
    assert first == again
    assert first is not None
    assert tokens(first) != tokens(LINES[0])


@pytest.mark.parametrize("name", ["shuffled", "swapped", "reversed"])
def test_order_changes_and_nothing_else(name):
    line = garbled(LINES[1], (HANDS | UNSEEN)[name], LINES, np.random.default_rng(0))
    assert sorted(tokens(line)) == sorted(tokens(LINES[1]))
    assert line[0].isupper()
    assert line.endswith(".")


def test_hands_by_what_they_leave():
    random = np.random.default_rng(1)
    assert set(tokens(garbled(LINES[0], HANDS["dropped"], LINES, random))) < set(tokens(LINES[0]))
    assert len(tokens(garbled(LINES[0], HANDS["repeated"], LINES, random))) > len(tokens(LINES[0]))
    assert LINES[1].startswith(garbled(LINES[1], HANDS["cut"], LINES, random).rstrip(".")[:10])


def test_what_is_too_short_is_left_alone():
    assert all(garbled("Good tea.", hand, LINES, np.random.default_rng(0)) is None for hand in HANDS.values())


def test_a_chain_knows_what_may_follow():
    chain = Chain([["a", "b"], ["a", "c"]], order=1)
    drawn = {tuple(chain.draw(np.random.default_rng(i), 9)) for i in range(20)}
    assert drawn == {("a", "b"), ("a", "c")}


def test_weak_lines_are_none_that_was_learned():
    found = weak_lines(LINES * 3, 40, np.random.default_rng(0))
    assert found
    assert not [line for line in found if any(line.lower() in known.lower() for known in LINES)]
