import math

import pytest
import torch
from copybandit.policies.reward.diversity import compression_ratio, distinct, nearest_novelty, novelty, self_bleu, vendi


def test_novelty_is_the_mean_distance_to_the_others_of_the_group():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    group = torch.tensor([0, 0, 0, 1])
    valid = torch.ones(4, dtype=torch.bool)
    # First: one at distance 1, one at 0. Second: both at 1. The fourth is alone in its group.
    assert novelty(vectors, group, valid).tolist() == [0.5, 1.0, 0.5, 0.0]


def test_what_fails_quality_is_neither_novel_nor_makes_others_novel():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    valid = torch.tensor([True, False, True])
    assert novelty(vectors, torch.zeros(3, dtype=torch.long), valid).tolist() == [0.0, 0.0, 0.0]


def test_novelty_to_the_nearest_looks_beyond_the_prompt():
    vectors = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [1.0, 0.0]])
    # Cosines of the first: 0.6, 0 and 1; its two nearest are the last and the second.
    assert nearest_novelty(vectors, torch.ones(4, dtype=torch.bool), k=2)[0] == pytest.approx(1 - (1.0 + 0.6) / 2)
    # Without the last, which fails quality, the nearest are the second and the third.
    valid = torch.tensor([True, True, True, False])
    assert nearest_novelty(vectors, valid, k=2).tolist() == pytest.approx([0.7, 0.3, 0.6, 0.0])
    assert nearest_novelty(vectors[:1], valid[:1]).tolist() == [0.0]


def test_vendi_counts_the_different_ones():
    same, different = torch.tensor([[1.0, 0.0]] * 4), torch.eye(3)
    assert vendi(same) == pytest.approx(1)
    assert vendi(different) == pytest.approx(3)
    # Two pairs of equal texts: eigenvalues 1/2 and 1/2.
    assert vendi(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])) == pytest.approx(2)
    # Cosine c between two: eigenvalues (1 + c) / 2 and (1 - c) / 2.
    c = 0.6
    entropy = -sum(p * math.log(p) for p in ((1 + c) / 2, (1 - c) / 2))
    assert vendi(torch.tensor([[1.0, 0.0], [c, 0.8]])) == pytest.approx(math.exp(entropy), rel=1e-5)


def test_distinct_counts_grams_over_all_texts():
    assert distinct([["a", "b", "c"], ["a", "b", "d"]], n=2) == pytest.approx(3 / 4)
    assert distinct([["a"], []], n=2) == 0.0


def test_repetition_compresses():
    assert compression_ratio(["the same line again"] * 50) > 5 * compression_ratio(["one line that stands alone"])
    assert compression_ratio([]) == 1.0


def test_self_bleu_by_hand():
    """Of two texts, up to bigrams: 'a b c' against 'a b d' has 2 of 3 words and 1 of 2 pairs; lengths are equal."""
    expected = (2 / 3 * 1 / 2) ** 0.5
    assert self_bleu([["a", "b", "c"], ["a", "b", "d"]], n=2) == pytest.approx(expected)


def test_self_bleu_smooths_and_penalises_brevity():
    """'a' against 'b b': no word of 1 in common (0.1), half as long (exp(1 - 2)); 'b b': 0.1 of 2, and no penalty."""
    assert self_bleu([["a"], ["b", "b"]], n=1) == pytest.approx((0.1 * math.exp(-1) + 0.05) / 2)


def test_self_bleu_counts_a_word_as_often_as_another_text_has_it():
    """'a a' against 'a': one of two; 'a' against 'a a': all, but shorter."""
    assert self_bleu([["a", "a"], ["a"]], n=1) == pytest.approx((0.5 + math.exp(1 - 2)) / 2)


def test_self_bleu_of_copies_and_of_nothing():
    assert self_bleu([["a", "b", "c", "d"]] * 3) == pytest.approx(1.0)
    assert self_bleu([["a"]]) == 0.0
