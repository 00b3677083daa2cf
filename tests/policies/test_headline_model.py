from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from copybandit.policies.headlines.model import HeadlineConfig, fit_headline_model
from copybandit.policies.headlines.text_views import (
    STYLE,
    Alike,
    Skeleton,
    SparseView,
    Style,
    Vectors,
    View,
    ngram_views,
)
from copybandit.simulation.archive.tests import Archive

WORDS = ("zebra", "lemon", "piano", "river", "cloud", "stone", "tiger", "honey", "maple", "ocean", "amber", "coral")


def _words_archive(rng: np.random.Generator, count: int = 150, effect: float = 1.0) -> pd.DataFrame:
    """Tests of three texts of six words; `zebra` is worth `effect` in log-odds."""
    rows = []
    for test in range(count):
        base = rng.normal(-3, 0.3)
        for arm in range(3):
            words = rng.choice(WORDS, 6, replace=False)
            rate = 1 / (1 + np.exp(-base - effect * ("zebra" in words)))
            text = " ".join([*words, f"no{test}x{arm}"])
            rows.append((f"t{test}", test, text, "", 5000.0, float(rng.binomial(5000, rate)), test))
    return pd.DataFrame(rows, columns=["test_id", "group", "text", "about", "impressions", "clicks", "story"])


def _present(texts: Sequence[str]) -> np.ndarray:
    return np.array([[float(word in text.split()) for word in WORDS] for text in texts])


def _views(texts: list[str]) -> dict[str, View | SparseView]:
    return {**ngram_views(texts), "alike": Alike(texts, [_present], seed=0, landmarks=60), "style": Style(texts)}


CONFIG = HeadlineConfig(
    {"dense": {"alike": 0.05, "style": 0.05}}, {"skeletons": (0.01, 0.1), "characters": (1.0,)}, folds=3
)


@pytest.fixture
def fitted(rng):
    arms = Archive(_words_archive(rng)).contrasts
    return arms, fit_headline_model(arms, _views(arms.text.tolist()), CONFIG)


def test_a_word_that_pays_is_found(fitted):
    _, fit = fitted
    first, second = fit.model.predict(["piano zebra river cloud stone tiger", "piano lemon river cloud stone tiger"])
    assert 0.5 < first - second < 1.2
    assert fit.model.beats(np.array(first), np.array(second)) > 0.8
    assert fit.model.beats(np.array(first), np.array(first)) == 0.5


def test_levels_of_tests_do_not_matter(rng, fitted):
    arms, fit = fitted
    # Every other test has a third of the click rate: the word is worth the same in log-odds.
    thin = np.where(arms.group % 2, 1.0, 1 / 3)
    lower = arms.assign(clicks=rng.binomial(arms.clicks.to_numpy(int), thin).astype(float))
    first, second = fit_headline_model(lower, fit.model.views, CONFIG).model.predict(
        ["piano zebra river cloud stone tiger", "piano lemon river cloud stone tiger"]
    )
    assert 0.5 < first - second < 1.2


def test_without_effects_promises_are_modest(rng):
    arms = Archive(_words_archive(rng, effect=0.0)).contrasts
    views = _views(arms.text.tolist())
    fit = fit_headline_model(arms, views, CONFIG)
    predicted = fit.model.predict(arms.text.tolist())
    assert predicted.std() < 0.1


@pytest.mark.parametrize("member", ["skeletons", "characters", "dense"])
def test_each_kind_of_member_finds_the_word_by_itself(rng, member):
    arms = Archive(_words_archive(rng)).contrasts
    chosen = HeadlineConfig(
        {name: views for name, views in CONFIG.members.items() if name == member},
        {name: variances for name, variances in CONFIG.by_pairs.items() if name == member},
        folds=3,
    )
    fit = fit_headline_model(arms, _views(arms.text.tolist()), chosen)
    first, second = fit.model.predict(["piano zebra river cloud stone tiger", "piano lemon river cloud stone tiger"])
    assert first - second > 0.4
    assert fit.unseen.shape == (len(arms),) and set(fit.model.shares) == {member}


def test_products_of_similarities_are_the_kernel():
    # Landmarks that are all there is: Nystroem's features are exact. Cosines 1, 0 and -1, scale 1.
    known = {"a": [1.0, 0.0], "b": [0.0, 2.0], "c": [-1.0, 0.0]}
    alike = Alike(list("abc"), [lambda texts: np.array([known[text] for text in texts])], seed=0, scale=1.0)
    table = alike(list("abc"))
    assert (table @ table.T)[0] == pytest.approx([1, np.exp(-1), np.exp(-2)])


def test_vectors_keep_their_main_directions():
    known = {"a": [1.0, 0.0], "b": [-1.0, 0.0], "c": [1.0, 0.0]}
    view = Vectors(list("ab"), lambda texts: np.array([known[text] for text in texts]), 1)
    table = view(list("abc"))
    assert np.abs(table).ravel() == pytest.approx([1, 1, 1])
    assert table[0] == pytest.approx(-table[1])


def test_skeleton_keeps_frequent_words_and_shapes():
    skeleton = Skeleton(["the cat", "the dog", "the day"], frequent=1)
    assert skeleton("The 12 CATS sleeping!") == ["<start>", "the", "<number>", "<CAPITALS>", "<ng>", "!", "<end>"]


def test_style_counts_what_it_names():
    named = dict(zip(STYLE, Style._table(["Why YOU can't stop: 7 reasons (really)?"])[0], strict=True))
    assert named["a question"] == named["a number"] == named["a word in capitals"] == named["brackets"] == 1
    assert named["a number first"] == named["an exclamation"] == 0
    assert named["you"] == pytest.approx(1 / 7)
    assert named["negation"] == pytest.approx(1 / 7)
