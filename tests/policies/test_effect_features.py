"""What the effect model is told of a text beside its words."""

import pytest
import torch
from copybandit.policies.effect.features import BOUND, Description, product_words
from copybandit.policies.effect.places import place_effects
from copybandit.simulation.data.catalog import Catalog, Creative, Product

MUG = Product(
    "m", "Stoneware Mug", "kitchen", 12.0, brand="Oak Hill", attributes=(("size", "350 ml"), ("colour", "sea green"))
)
CUP = Product("c", "Tin Cup", "kitchen", 8.0)
CATALOG = Catalog([MUG, CUP])


@pytest.mark.parametrize(
    ("product", "text", "expected"),
    [
        # One of two title words, the last of four words; sea and green; half of the brand is not the brand.
        ("m", "A sea-green mug.", (0.5, 2.0, 0.0, 0.75)),
        ("m", "Stoneware mug by Oak Hill", (1.0, 0.0, 1.0, 0.0)),
        ("m", "Nothing of it.", (0.0, 0.0, 0.0, 1.0)),
        ("c", "Drink from a tin cup, oak or not", (1.0, 0.0, 0.0, 0.375)),
        ("c", "", (0.0, 0.0, 0.0, 1.0)),
    ],
)
def test_product_words_by_hand(product, text, expected):
    torch.testing.assert_close(product_words(CATALOG, [Creative(product, text)])[0], torch.tensor(expected))


def test_of_no_text_nothing_is_said():
    assert product_words(CATALOG, []).shape == (0, 4)


def test_columns_are_bounded_and_what_reads_them_counts():
    texts = [Creative("m", f"A mug {'again ' * n}") for n in range(8)]
    reads = lambda creatives: torch.tensor([[float(len(creative.text))] for creative in creatives])  # noqa: E731
    alone, read = Description(CATALOG, texts, None), Description(CATALOG, texts, reads)
    assert read(texts).shape[1] == alone(texts).shape[1] + 2
    assert float(read([Creative("m", "x" * 10_000)]).abs().max()) <= BOUND


def test_a_place_is_not_better_for_the_creatives_that_were_put_there():
    """Two creatives of 10% and 20%, two places alike; the better one is mostly shown in the first."""
    trials = torch.tensor([[900.0, 0], [100, 0], [100, 0], [900, 0]])
    group, place = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    successes = trials * torch.tensor([[0.2, 0], [0.2, 0], [0.1, 0], [0.1, 0]])
    effects = place_effects(trials, successes, place, group, 2, sweeps=200, prior=0.0)
    torch.testing.assert_close(effects[:, 0], torch.zeros(2), atol=1e-3, rtol=0)


def test_a_place_that_doubles_every_rate_is_told():
    """Log of 2 between them, half of it on each side of 0; a place that nobody saw is like the others on average."""
    trials = torch.tensor([[1000.0, 100], [1000, 100], [500, 50], [2000, 50]])
    group, place = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    rates = torch.tensor([[0.2, 0.1], [0.1, 0.1], [0.1, 0.1], [0.05, 0.1]])
    effects = place_effects(trials, trials * rates, place, group, 2, sweeps=200, prior=0.0)
    torch.testing.assert_close(effects, torch.tensor([[0.3466, 0.0], [-0.3466, 0.0]]), atol=1e-3, rtol=0)
    unseen = place_effects(trials, trials * rates, place, group, 3)
    assert float(unseen[0, 0]) > float(unseen[2, 0]) > float(unseen[1, 0])
