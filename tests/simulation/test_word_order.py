import numpy as np
import pytest
from copybandit.simulation.text.word_order import WordOrder

LANGUAGE = [f"the {a} {v} a {n}" for a in ("dog", "cat", "child") for v in ("saw", "found") for n in ("bone", "ball")]


def test_association_by_hand():
    order = WordOrder(["a b", "a b", "a c"])
    # Pairs: ^a 3, ab 2, ac 1, b$ 2, c$ 1; words (ends included): a 3, b 2, c 1, $ 3, of 9.
    start = np.log(((3 - 0.75) / 3 + 0.75 / 3 * (3 / 9)) / (3 / 9))
    to_b = np.log(((2 - 0.75) / 3 + 0.75 * 2 / 3 * (2 / 9)) / (2 / 9))
    end = np.log(((2 - 0.75) / 2 + 0.75 / 2 * (3 / 9)) / (3 / 9))
    assert order.association("A b!") == pytest.approx(np.mean([start, to_b, end]))


def test_unknown_words_are_passed_over():
    assert WordOrder(LANGUAGE).association("zzz") == 0.0
    assert WordOrder(LANGUAGE).association("") < 0.0, "a text that ends before it begins"


def test_the_same_words_in_no_order_are_strange():
    order = WordOrder(LANGUAGE)
    good, shuffled = order.read(["the dog found a ball", "ball a the found dog"]).tolist()
    assert good == 0.0
    assert shuffled == 1.0


def test_disorder_stays_between_0_and_1(rng):
    words = ["the", "dog", "cat", "child", "saw", "found", "a", "bone", "ball", "zzz"]
    texts = [" ".join(rng.choice(words, size=6)) for _ in range(50)]
    found = WordOrder(LANGUAGE).read(texts)
    assert ((found >= 0) & (found <= 1)).all()
    assert found.max() > 0.5
