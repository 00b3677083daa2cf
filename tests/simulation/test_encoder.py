import pytest
import torch
from copybandit.simulation.text.encoder import SURFACE_FEATURES, TextEncoder, surface_features, tokens


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't STOP: 50% off!", ["don't", "stop", "50", "off"]),
        ("全新 耳机", ["全", "新", "耳", "机"]),
        ("ＦＲＥＥ café", ["free", "café"]),
        ("snake_case", ["snake", "case"]),
        (" ★ !", []),
    ],
)
def test_tokens(text, found):
    assert tokens(text) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BUY Now! Now!", [13, 3, 2 / 9, 2, 0, 0, 1 / 3]),
        ("★ 2 for 10", [10, 3, 0, 0, 1 / 10, 3 / 10, 0]),
        ("", [0, 0, 0, 0, 0, 0, 0]),
        ("好！好？", [4, 2, 0, 2, 0, 0, 1 / 2]),
    ],
)
def test_surface_features_by_hand(text, expected):
    torch.testing.assert_close(surface_features([text])[0], torch.tensor(expected, dtype=torch.float32))


def test_no_texts():
    assert surface_features([]).shape == (0, len(SURFACE_FEATURES))
    assert TextEncoder(dim=8).encode([]).shape == (0, 8)


@pytest.mark.parametrize("words", [False, True])
def test_encoder_gives_unit_vectors_the_same_every_time(words):
    texts = ["a sturdy iron pan", "a paring knife", ""]
    vectors = TextEncoder(dim=16, seed=3, words=words, ngrams=(1, 2)).encode(texts)
    torch.testing.assert_close(vectors.norm(dim=1), torch.tensor([1.0, 1.0, 0.0]))
    assert torch.equal(vectors, TextEncoder(dim=16, seed=3, words=words, ngrams=(1, 2)).encode(texts))
    assert not torch.equal(vectors, TextEncoder(dim=16, seed=4, words=words, ngrams=(1, 2)).encode(texts))


def test_encoder_estimates_overlap():
    # Of two words each, one is shared: the cosine of their counts is 1/2.
    vectors = TextEncoder(dim=4096, words=True, ngrams=(1, 1)).encode(["iron pan", "iron lamp", "trail tent"])
    assert (vectors[0] @ vectors[1]).item() == pytest.approx(0.5, abs=0.06)
    assert (vectors[0] @ vectors[2]).item() == pytest.approx(0.0, abs=0.06)
