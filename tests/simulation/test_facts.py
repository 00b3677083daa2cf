import math

import pytest
import torch
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.text.facts import Facts, numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("twenty-five for 1,300.5", [25, 1300.5]),
        ("two hundred and three thousand", [200, 3000]),
        ("one, two", [1, 2]),
        ("half a dozen in a box", [12]),
        ("stone and often", []),
        ("thirty", [30]),
    ],
)
def test_numbers(text, expected):
    assert [value for value, _ in numbers(text)] == expected


@pytest.fixture
def facts():
    pan = Product("p", "iron pan", "kitchen", 38.9, attributes=(("size", "12 inch"), ("warranty", "10 years")))
    return Facts(Catalog([pan]))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("An iron pan of twelve inches for $39, with ten years of warranty.", []),
        ("Under 45 for a pan.", []),
        ("Under 60 for a pan.", ["60"]),
        ("A copper pan of 14 inches.", ["copper", "14"]),
        ("Recycled, and one of a kind.", ["recycled"]),
        ("A coppersmith's pan.", ["copper"]),  # by how words begin: it is coarse
    ],
)
def test_what_no_field_holds(facts, text, found):
    assert facts.unsupported(Creative("p", text)) == found


def test_two_false_facts_count(facts):
    texts = ["A pan.", "7 pans.", "7 copper pans for 3.", "7 teak, oak, silver and gold pans."]
    assert facts.read([Creative("p", text) for text in texts]).tolist() == [0.0, 1.0, 2.0, 2.0]


def test_a_false_fact_costs_three_tenths_of_the_odds(tiny_world):
    utilities = tiny_world.utilities
    product, reading = utilities.read([Creative("k1", "A sturdy iron pan.")])
    true = utilities.convert(product, reading)
    reading.false_facts.fill_(2.0)
    false = utilities.convert(product, reading)
    torch.testing.assert_close(false - true, torch.full_like(true, 2 * math.log(0.7)))
