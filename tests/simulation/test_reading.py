import math

import pandas as pd
import pytest
import torch
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.text.reading import Fluency, Naming, Reading, Sight, TextReader, plateau, share_attention


def test_plateau_by_hand():
    value = torch.tensor([0.0, 2.0, -2.0, 4.0])
    torch.testing.assert_close(plateau(value, 2.0, 2), torch.tensor([0, 1.0, 1.0, 4.0]).neg().exp())
    assert plateau(torch.tensor(1.0), 2.0).item() == pytest.approx(math.exp(-1 / 16))


def test_share_attention_turns_back():
    torch.testing.assert_close(share_attention(torch.tensor([[1.0, 0.0]])), torch.tensor([[0.8, 0.0]]))
    torch.testing.assert_close(share_attention(torch.ones(1, 2)), torch.full((1, 2), 0.5))
    assert share_attention(torch.ones(1, 8)).sum() < share_attention(torch.ones(1, 2)).sum()


def test_fluency_by_hand():
    # Known from the even texts: the 3 grams of " abab ". Held out: shares 1 and 0, so mean 1/2, deviation 1/2.
    fluency = Fluency(["abab", "abab", "abab", "zzzz"])
    # "abax" shares 1 gram of 3: (1/2 - 1/3) / (1/2) / 2 = 1/6.
    expected = torch.tensor([0.0, 1 / 6, 1 / 2, 0.0, 1 / 2])
    torch.testing.assert_close(fluency.read(["abab", "abax", "qqqq", "zzzz", ""]), expected)


def test_naming_by_hand():
    red = Product("a", "red lamp", "home", 10.0, attributes=(("shade", "linen"),))
    naming = Naming(Catalog([red, Product("b", "blue lamp", "home", 10.0)]))
    rare, common = math.log(3 / 2) + 1, math.log(3 / 3) + 1
    rare, common = rare / (rare + common), common / (rare + common)
    texts = ["red lamp", "red lamp in linen", "blue lamp", "hello"]
    grounding, foreign = naming.read([Creative("a", text) for text in texts])
    detail = 0.4 * (1 - math.exp(-1))
    torch.testing.assert_close(grounding, torch.tensor([0.6, 0.6 + detail, 0.6 * common, 0.0]))
    torch.testing.assert_close(foreign, torch.tensor([0.0, 0.0, (rare - 0.5) / 0.4, 0.0]))


def test_a_brand_of_somebody_else_is_foreign():
    shoes = [
        Product(str(i), title, "shoes", 9.0, brand)
        for i, (title, brand) in enumerate([("boot", "Acme"), ("clog", "Zed")])
    ]
    _, foreign = Naming(Catalog(shoes)).read([Creative("0", "the Acme boot"), Creative("0", "the Zed boot")])
    assert foreign.tolist() == [0.0, 1.0]


@pytest.fixture(scope="module")
def reader(tiny_scenario, tiny_catalog):
    return TextReader(tiny_scenario, tiny_catalog)


def test_explain_by_hand(reader):
    once = 1 - math.exp(-1)
    parts = reader.explain([Creative("k1", "Save on the iron pan"), Creative("k1", "A miracle of a pan")])
    assert parts.value.tolist() == pytest.approx([once / (1 + (once / 2) ** 2), 0.0])
    assert parts.overclaim.tolist() == pytest.approx([0.0, once])


def test_read_weighs_the_terms(reader, monkeypatch):
    terms = {"value": 0.5, "quality": 0.0, "urgency": 0.0, "overclaim": 0.2, "grounding": 0.5, "foreign": 0.1}
    terms |= {"flaws": 1.0, "hidden_click": 0.4, "hidden_convert": -0.2, "garbled": 0.7, "false_facts": 2.0}
    monkeypatch.setattr(reader, "explain", lambda creatives: pd.DataFrame([terms]))
    reading = reader.read([Creative("k1", "any")])
    flaws = 3 * math.tanh(1 / 3)
    assert reading.click.item() == pytest.approx(0.3 + 0.07 + 0.1 - flaws - 0.03)
    assert reading.convert.item() == pytest.approx(0.15 + 0.4 - 0.05 - flaws / 2 - 0.24 - 0.15)


def test_no_creatives(reader):
    reading = reader.read([])
    assert len(reading) == 0
    assert reading.appeals.shape == (0, 3)


def test_texts_beside_pictures():
    two = torch.tensor([1.0, 2.0])
    reading = Reading(torch.tensor([[1.0], [2.0]]), two, two, torch.tensor([0.2, 0.6]), two, two)
    sight = Sight(torch.zeros(3, 1), torch.zeros(3), torch.zeros(3), torch.tensor([0.9, 0.1, 0.4]))
    beside = reading.of(torch.tensor([1, 1, 0]), sight)
    assert beside.click.tolist() == [2.0, 2.0, 1.0]
    torch.testing.assert_close(beside.promised, torch.tensor([0.9, 0.6, 0.4]))
    torch.testing.assert_close(reading.promised, reading.overclaim)
