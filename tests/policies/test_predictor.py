"""A predictor to take along: its formulas by hand, what it says of texts, and that it stays what it is on disk."""

import numpy as np
import pandas as pd
import pytest
from copybandit.policies.effect.reasons import left_out, reasons
from copybandit.policies.headlines import encoder
from copybandit.policies.headlines.model import HeadlineConfig, fit_headline_model
from copybandit.policies.headlines.predictor import FILE, Calibration, Predictor
from copybandit.policies.headlines.ranking import chance_of_best
from copybandit.policies.headlines.text_views import Alike, Remembered, Style, Vectors, ngram_views
from copybandit.policies.headlines.view_state import state_of, views_of
from copybandit.simulation.archive.tests import Archive
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.tensor_file import as_one, in_parts

from .test_headline_model import WORDS, _words_archive

CONFIG = HeadlineConfig(
    {"vectors": {"vectors": 0.05, "alike": 0.05, "style": 0.01}},
    {"skeletons": (0.01,), "characters": (1.0,)},
    folds=3,
)


def _present(texts):
    return np.array([[1.0, *(float(word in text.split()) for word in WORDS)] for text in texts])


@pytest.fixture(scope="module")
def fitted():
    arms = Archive(_words_archive(np.random.default_rng(0))).contrasts
    texts = arms.text.tolist()
    vectors = Remembered(Vectors(texts, _present, 8, "a layer"))
    views = {**ngram_views(texts), "style": Remembered(Style(texts)), "vectors": vectors}
    views["alike"] = Alike(texts, [vectors], seed=0, landmarks=40)
    return arms, fit_headline_model(arms, views, CONFIG)


@pytest.fixture
def taken_along(fitted, tmp_path, monkeypatch):
    """The predictor, and what is read of it on disk."""
    arms, fit = fitted

    class Known:
        means, firsts, title = ("a layer",), (), "somewhere"

        def __init__(self, path, device):
            pass

        def named(self, name):
            assert name == "a layer"
            return _present

    monkeypatch.setattr(encoder, "SentenceVectors", Known)
    made = Predictor.of(fit, arms, "somewhere", {"learned from": "a test"})
    made.save(tmp_path / "predictor")
    return made, Predictor.load(tmp_path / "predictor")


def test_the_chance_of_being_best_by_hand():
    assert chance_of_best(np.zeros(4), 0.3) == pytest.approx([0.25] * 4)
    # Of two: Phi(difference / (deviation * sqrt 2)), here Phi(1) = 0.8413.
    assert chance_of_best(np.array([0.2 * 2**0.5, 0.0]), 0.2)[0] == pytest.approx(0.8413, abs=1e-4)
    assert chance_of_best(np.array([0.0, 1.0, 0.5]), 0.0).tolist() == pytest.approx([0, 1, 0])
    assert chance_of_best(np.array([3.0]), 0.2).tolist() == [1.0]


def test_the_chance_of_being_best_by_drawing():
    means, draws = np.array([0.0, 0.1, 0.4, -1.0]), np.random.default_rng(0).normal(size=(200_000, 4))
    best = np.bincount((means + 0.3 * draws).argmax(1), minlength=4) / 200_000
    assert chance_of_best(means, 0.3) == pytest.approx(best, abs=0.005)


def test_what_can_be_left_out_of_a_text():
    found = left_out('He said "No!" It WAS no.')
    assert found["'said'"] == 'He "No!" It WAS no.'
    assert found["(capitals)"] == 'He said "no!" it was no.'
    assert found["(marks)"] == "He said No It WAS no."
    assert found["(all but the first sentence)"] == 'He said "No!'
    assert list(left_out("The oak stool lasts", {"oak", "stool"})) == ["'The'", "'lasts'"]
    assert left_out("alone") == {}
    assert left_out("one one") == {}, "without the word, nothing is left"


def test_reasons_are_what_the_rate_loses():
    def log_rates(texts, of):
        assert len(texts) == len(of)
        return np.array([0.5 * ("zebra" in text) - 0.1 * ("a" in text.split()) for text in texts])

    (found, nothing) = reasons(["a zebra there", "there"], log_rates, most=2)
    assert [name for name, _ in found] == ["'zebra'", "'a'"]
    assert found[0][1] == pytest.approx(np.exp(0.5) - 1)
    assert found[1][1] == pytest.approx(np.exp(-0.1) - 1)
    assert nothing == []


def test_what_tests_of_such_texts_look_like(fitted):
    """`zebra` is worth one unit of log-odds, nothing else counts, and tests lie at -3 with deviation 0.3."""
    arms, fit = fitted
    found = Calibration.of(arms, fit.unseen)
    assert found.level == pytest.approx(-2.5, abs=0.2)  # half of the texts have it
    assert found.level_deviation == pytest.approx(0.42, abs=0.15)
    assert found.trust == pytest.approx(1, abs=0.2)
    assert found.deviation < 0.2
    assert found.covered == pytest.approx(0.95, abs=0.03)


def test_a_predictor_says_which_text_is_best_and_why(fitted):
    arms, fit = fitted
    predictor = Predictor.of(fit, arms, "", {})
    texts = [
        "zebra lemon piano river cloud stone",
        "tiger lemon piano river cloud stone",
        "zebra maple ocean amber x y",
    ]
    rows = predictor.predict(texts, ["a", "a", "b"])
    assert rows.rate[0] > 1.5 * rows.rate[1]
    assert rows.lift[0] == pytest.approx(-rows.lift[1])
    assert rows.best[0] > 0.95 and rows.best[:2].sum() == pytest.approx(1) and np.isnan(rows.best[2])
    assert (rows.rate_low < rows.rate).all() and (rows.rate < rows.rate_high).all()
    assert (rows.lift_low < rows.lift).all() and (rows.lift < rows.lift_high).all()
    assert predictor.reasons(texts, 1)[0][0][0] == "'zebra'"
    assert rows.familiar[0] > 0.9 > predictor.predict(["猫为什么会游泳"]).familiar[0]


def test_what_was_saved_predicts_the_same(taken_along):
    made, again = taken_along
    texts = ["zebra lemon piano river cloud stone", "never seen WORDS!", "猫"]
    pd.testing.assert_frame_equal(made.predict(texts), again.predict(texts), atol=1e-6)
    assert again.calibration == made.calibration and again.facts == made.facts
    assert again.model.beats(np.array(1.0), np.array(0.0)) == pytest.approx(
        made.model.beats(np.array(1.0), np.array(0.0))
    )


def test_a_torn_predictor_is_refused(taken_along, tmp_path):
    file = tmp_path / "predictor" / FILE
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(InputError, match="make it anew with `copybandit headlines`"):
        Predictor.load(tmp_path / "predictor")
    with pytest.raises(InputError, match="no predictor"):
        Predictor.load(tmp_path)


def test_vectors_need_their_encoder(fitted):
    state = state_of(fitted[1].model.views)
    with pytest.raises(InputError, match="encoder"):
        views_of(state)
    with pytest.raises(InputError, match="cannot be kept"):
        state_of({"a view": _present})


def test_the_predictor_that_comes_along_knows_headlines():
    packaged = Predictor.load()
    rows = packaged.predict(["7 Things You Should Know", "Economy"])
    assert rows.familiar.min() > 0.5
    assert 0.85 < packaged.calibration.covered < 1
    assert packaged.encoder == ""


def test_a_state_comes_apart_and_together():
    state = {"a": np.arange(3.0), "b": [np.array([[1, 2]]), {"c": "text", "d": None}], "e": 1.5, "f/g": [1, [2]]}
    tensors, facts = in_parts(state)
    again = as_one(tensors, facts)
    assert set(tensors) == {"a", "b/0"}
    assert again["a"].tolist() == [0, 1, 2] and again["b"][0].tolist() == [[1, 2]]
    assert again["b"][1] == {"c": "text", "d": None} and again["e"] == 1.5 and again["f/g"] == [1, [2]]


def test_what_it_learned_from_is_not_unlike_it(taken_along):
    made, again = taken_along
    own = _words_archive(np.random.default_rng(0)).text.drop_duplicates().tolist()
    assert made.usual <= 0.5 and again.usual == made.usual
    assert (made.predict(own).familiar < made.usual).mean() <= 0.01
    few = Archive(_words_archive(np.random.default_rng(1), 14)).contrasts  # most n-grams stand in too few texts
    sizes = HeadlineConfig({}, {"skeletons": (0.1,), "characters": (1.0,)}, folds=2)
    small = Predictor.of(fit_headline_model(few, ngram_views(few.text.tolist()), sizes), few, "", {})
    assert (small.predict(few.text.tolist()).familiar < small.usual).mean() <= 0.05
    assert small.predict(["这个星期最好的消息"]).familiar[0] < small.usual
