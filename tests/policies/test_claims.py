"""What an ad may say: facts of its product in any words and units, and nothing that no field holds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from copybandit.policies.compliance.claims import KINDS, Claims, amounts, spelled_number
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.scenario import load_scenario

KETTLE = Product(
    "k1",
    "electric kettle",
    "kitchen",
    54.0,
    "Brewmont",
    "A cordless gooseneck kettle with five presets and a two year warranty.",
    (("capacity", "1.0 L"), ("weight", "1.2 kg"), ("material", "stainless steel"), ("handle", "walnut")),
)
TEA = Product("t1", "白毫银针", "白茶", 128.0, "山野", "散装白茶", (("净含量", "50 克"),))
CATALOG = Catalog([KETTLE, Product("o1", "camp stove", "outdoor", 79.0, "Kelv"), TEA])


@pytest.fixture(scope="module")
def claims() -> Claims:
    return Claims(CATALOG)


def kinds(claims: Claims, text: str, product: str = "k1") -> list[str]:
    return [claim.kind for claim in claims.unsupported(Creative(product, text))]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3,400", 3400),
        ("99.97", 99.97),
        ("49,95", 49.95),
        ("1.129,00", 1129),
        ("1 129,00", 1129),
        ("1\u202f129", 1129),
        ("twelve", 12),
        ("twenty-five", 25),
        ("three hundred and ten", 310),
        ("two dozen", 24),
        ("four thousand", 4000),
        ("hundred", 100),
    ],
)
def test_numbers_in_words_and_digits(text: str, value: float) -> None:
    assert spelled_number(text) == pytest.approx(value)


def test_amounts_carry_their_unit() -> None:
    found = list(amounts("three and a half kilos for $1,299.50, 12-inch, under forty euros"))
    assert [(amount.value, amount.family, amount.below) for amount in found] == [
        (3500.0, "mass", False),
        (1299.5, "money", False),
        (pytest.approx(30.48), "length", False),
        (40.0, "money", True),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "One liter, five presets, stainless steel: tea as you like it.",
        "1000 ml of tea at once",
        "It weighs 1.2 kg. Light enough for one hand.",
        "Yours for $54",
        "Yours for fifty-four dollars",
        "A kettle for under $60",
        "A walnut handle, so there is wood where you hold it",
        "Two year warranty included",
        "No plastic touches your tea",
        "Brewmont knows mornings",
        "At its best before breakfast",
        "Open 24/7, like you",
        "Drift off with a cup of tea",
        "Five presets, 5 in the kettle",
    ],
)
def test_what_the_fields_hold_may_be_said(claims: Claims, text: str) -> None:
    assert claims.unsupported(Creative("k1", text)) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Holds 2 liters", ["number"]),
        ("Boils in ninety seconds", ["number"]),
        ("Seven presets", ["number"]),
        ("Only $39", ["price"]),
        ("A kettle for under $50", ["price"]),
        ("Copper, like grandmother's", ["material"]),
        ("Better than anything by Kelv", ["brand"]),
        ("Lifetime guarantee", ["warranty", "warranty"]),
        ("20% off", ["number", "discount"]),
        ("Free shipping until Sunday", ["discount", "deadline"]),
        ("The best kettle in the world", ["superlative", "superlative"]),
        ("Hurry, last chance", ["deadline", "deadline"]),
    ],
)
def test_what_no_field_holds_is_named(claims: Claims, text: str, expected: list[str]) -> None:
    assert kinds(claims, text) == expected


def test_the_words_are_told(claims: Claims) -> None:
    assert [claim.said for claim in claims.unsupported(Creative("k1", "Only $39 for TEAK"))] == ["$39", "teak"]


def test_chinese(claims: Claims) -> None:
    assert kinds(claims, "山野白毫银针，50克装，清甜。", "t1") == []
    assert kinds(claims, "白毫银针 200克，买就送，包邮", "t1") == ["number", "discount"]


def test_counts_are_by_kind(claims: Claims) -> None:
    counts = claims.counts([Creative("k1", "20% off, 30% off"), Creative("k1", "Good tea")])
    assert counts.shape == (2, len(KINDS))
    assert counts[0, KINDS.index("number")] == 2
    assert counts[0, KINDS.index("discount")] == 1
    assert counts[1].sum() == 0


def test_error_rates_on_lines_labelled_by_hand() -> None:
    """160 ads of four trades, labelled before they were read by machine.

    The lists as they stood then found 28 of the 31 lines with an unsupported claim, and called one of 129 others; «last
    days» and «special offer» were added after that.
    """
    lines = pd.read_csv(Path(__file__).parents[1] / "data" / "claims.csv")
    readers = {name: Claims(load_scenario(name)[1]) for name in lines.scenario.unique()}
    called = np.array(
        [
            bool(readers[line.scenario].unsupported(Creative(line.product_id, line.text)))
            for line in lines.itertuples(index=False)
        ]
    )
    wrong = lines.unsupported.to_numpy(bool)
    assert called[wrong].mean() >= 0.87
    assert called[~wrong].mean() <= 0.02


def test_what_is_said_reads_like_a_note(claims: Claims) -> None:
    assert claims.said(Creative("k1", "Only $39 for teak")) == "price: $39; material: teak"
    assert claims.said(Creative("k1", "Tea for one")) == ""
