import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.policies.effect.contract import CLICK, CONVERT
from copybandit.policies.effect.effect_file import read_effect, save_effect
from copybandit.policies.headlines.model import CrossFit, HeadlineModel
from copybandit.policies.headlines.pairwise import PairwiseConfig, fit_pairwise_effect
from copybandit.policies.headlines.stacked import StackedEffect, fit_stacked_effect
from copybandit.simulation.archive.tests import Archive
from copybandit.simulation.data.catalog import Creative

WORDS = ("lemon", "piano", "river", "cloud", "stone", "tiger", "honey", "maple", "ocean", "amber", "coral")
PAIR = [
    Creative("", " ".join([*others[:place], word, *others[place:], f"no{place}x1"]))
    for others in [("river", "cloud", "stone", "tiger"), ("piano", "amber", "coral", "honey")]
    for place in range(5)
    for word in ("zebra", "lemon")
]
"""Texts like those of the tests; every other one has the word that pays."""


def make_arms(effect: float = 1.0, count: int = 120) -> pd.DataFrame:
    """Tests of three texts of five words; `zebra` is worth `effect` in log-odds of a click, and converts as others."""
    rng, rows = np.random.default_rng(0), []
    for test in range(count):
        for arm in range(3):
            words = rng.choice([*WORDS, "zebra"], 5, replace=False)
            rate = 1 / (1 + np.exp(3 - effect * ("zebra" in words)))
            clicks = rng.binomial(5000, rate)
            text = " ".join([*words, f"no{test}x{arm}"])
            rows.append((f"t{test}", test, text, "", 5000.0, float(clicks), float(rng.binomial(clicks, 0.05)), test))
    columns = ["test_id", "group", "text", "about", "impressions", "clicks", "conversions", "story"]
    return Archive(pd.DataFrame(rows, columns=columns)).contrasts


@pytest.fixture(scope="module")
def effect() -> StackedEffect:
    return fit_stacked_effect(make_arms())


def difference(effect: StackedEffect) -> torch.Tensor:
    """[M, 2]: what `zebra` adds."""
    text = effect.predict(PAIR).text
    return (text[:, ::2] - text[:, 1::2]).mean(1)


def test_every_member_finds_the_word_that_pays(effect):
    found = difference(effect)
    assert found.shape == (5, 2)
    assert (found[:, CLICK] > 0.5).all()
    assert found[:, CLICK].mean() == pytest.approx(1.0, abs=0.3)
    assert found[:, CONVERT].abs().mean() < 0.3


def test_members_spread_where_evidence_is_thin():
    much, little = (fit_stacked_effect(make_arms(effect=0.3, count=count)) for count in (240, 12))
    spread, wide = (difference(one)[:, CLICK].std() for one in (much, little))
    assert 0 < 2 * spread < wide


def test_conversions_are_those_of_the_ridge_regressions(effect):
    ridge = fit_pairwise_effect(make_arms(), PairwiseConfig(members=5))
    predicted, other = effect.predict(PAIR), ridge.predict(PAIR)
    assert torch.equal(predicted.text[..., CONVERT], other.text[..., CONVERT])
    assert torch.equal(predicted.context, other.context)


def test_where_nothing_is_to_be_found_little_is_promised():
    assert difference(fit_stacked_effect(make_arms(effect=0.0)))[:, CLICK].abs().mean() < 0.1


def test_it_is_kept_and_read_again(effect, tmp_path):
    save_effect(effect, tmp_path / "effect")
    kind, state = read_effect(tmp_path / "effect")
    assert kind == "StackedEffect"
    torch.testing.assert_close(StackedEffect.restored(state).predict(PAIR).text, effect.predict(PAIR).text)


def test_the_jackknife_by_hand():
    # Without folds 1, 2 and 3 a weight is 1, 2 and 6: 3 on average, deviations -2, -1 and 3, times sqrt(2).
    model = HeadlineModel({}, {"words": np.array([4.0])}, 1.0, {})
    members = CrossFit(model, np.zeros(0), {"words": np.array([[1.0, 2.0, 6.0]])}).ensemble["words"]
    assert members[0] == pytest.approx(4 + 2**0.5 * np.array([-2, -1, 3]))
    # Kott's variance: (K - 1) / K times the sum of squares.
    assert members.var() == pytest.approx(2 / 3 * (4 + 1 + 9))
