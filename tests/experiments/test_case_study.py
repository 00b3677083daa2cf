"""The article's case: its parts by hand, and the whole in a world of four products."""

import json

import pytest
import torch
from copybandit.experiments.analysis.article.chosen_words import chosen_words, with_words
from copybandit.experiments.analysis.article.linear_effect import LinearEffect, Log, Training, fit_linear
from copybandit.experiments.analysis.article.phrase_generator import (
    Bank,
    kept_diversity,
    probabilities,
    train_generator,
)
from copybandit.experiments.case_study import CaseStudyOptions, run_case_study, verdict
from copybandit.experiments.harness.config import configured
from copybandit.simulation.data.catalog import Creative


@pytest.fixture
def log() -> Log:
    """Four texts of one product for one segment: the first feature decides, the second is small noise."""
    features = torch.tensor([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]])
    clicks = torch.tensor([300.0, 290.0, 100.0, 95.0])
    trials = torch.stack([torch.full((4,), 1000.0), clicks], -1)[:, None]
    successes = torch.stack([clicks, clicks / 10], -1)[:, None]
    zero = torch.zeros(4, dtype=torch.int64)
    return Log(features, zero, zero, trials, successes)


def click_weights(model: LinearEffect) -> torch.Tensor:
    return (model.shared + model.own[0])[:, 0]


def test_the_linear_model_finds_the_rates(log):
    model = fit_linear(log, (1, 1, 1), Training(), rounds=1500, learning_rate=0.02)
    rates = torch.sigmoid(model.logits(log.features, log.product, log.category))[:, 0, 0]
    torch.testing.assert_close(rates, torch.tensor([0.3, 0.29, 0.1, 0.095]), atol=0.01, rtol=0)


def test_both_ways_of_holding_back_shrink_the_weights(log):
    plain, ridge, moved = (
        click_weights(fit_linear(log, (1, 1, 1), training, rounds=500, learning_rate=0.02)).abs()
        for training in (Training(), Training(ridge=500.0), Training(radius=0.5))
    )
    assert (ridge < plain).all()
    assert moved.norm() < plain.norm()


def test_bank_of_unequal_products():
    bank = Bank.of(torch.tensor([0, 1, 0]), 2)
    assert bank.index.tolist() == [[0, 2], [1, 0]]
    assert bank.there.tolist() == [[True, True], [True, False]]


def test_probabilities_by_hand():
    bank = Bank.of(torch.tensor([0, 0, 1]), 2)
    features = torch.tensor([[0.0], [1.0], [5.0]])
    weights = torch.tensor([[0.0], [0.0], [torch.log(torch.tensor(3.0))]])  # the second of two segments: odds 3 to 1
    torch.testing.assert_close(
        probabilities(weights, features, bank), torch.tensor([[[0.5, 0.5], [1, 0]], [[0.25, 0.75], [1, 0]]])
    )


def test_kept_diversity_by_hand():
    # two texts that share nothing: an even draw differs half the time, 3 to 1 in 6 of 16, one alone never
    chance = torch.tensor([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
    likeness, even = torch.eye(2).expand(3, 2, 2), torch.full((3, 2), 0.5)
    torch.testing.assert_close(kept_diversity(chance, likeness, even), torch.tensor([1.0, 0.75, 0.0]))


@pytest.mark.parametrize(("effect", "diversity", "best"), [(1.0, 0.0, 0.9), (0.0, 1.0, 0.5)])
def test_the_generator_goes_where_its_weights_point(effect, diversity, best):
    bank = Bank.of(torch.tensor([0, 0]), 1)
    features = torch.eye(2)
    weights = train_generator(
        torch.tensor([[0.0, 1.0]]),
        features,
        torch.eye(2),
        bank,
        torch.zeros(5, dtype=torch.int64),
        torch.Generator().manual_seed(0),
        effect=effect,
        diversity=diversity,
        rounds=300,
        learning_rate=0.05,
    )
    assert probabilities(weights, features, bank)[0, 0, 1] == pytest.approx(best, abs=0.1)


def test_chosen_words_are_those_that_the_model_likes():
    ads = [Creative("p", "sturdy pans always last"), Creative("p", "solid pots never break")]
    likes = lambda texts: torch.tensor([float(c.text.endswith("pots")) + 2 * c.text.endswith("break") for c in texts])  # noqa: E731
    assert chosen_words(ads, likes, 2) == ["break", "pots"]
    assert [ad.text for ad in with_words(ads[:1], ["break", "pots"])] == ["sturdy pans always last break pots"]


def test_verdicts_say_it_when_nothing_was_gained():
    assert "less fooled" in verdict("a over b", {"mean": 0.2, "low": 0.1, "high": 0.3})
    assert "useless" in verdict("a over b", {"mean": 0.2, "low": -0.1, "high": 0.5})
    assert "more fooled" in verdict("a over b", {"mean": -0.2, "low": -0.3, "high": -0.1})


def test_the_whole_case(tiny_file, tmp_path):
    options = configured(
        CaseStudyOptions(),
        out=tmp_path / "run",
        scenario=str(tiny_file),
        seeds=2,
        users=40,
        rounds=20,
        log_impressions=2000,
        attacked_ads=4,
    )
    path = run_case_study(options)
    summary = json.loads((path / "summary.json").read_text())
    assert set(summary["lift"]) == {"ctr", "cvr", "reward"}
    assert set(summary["case"]["false_gains"]) == {"plain", "ridge", "adversarial", "both"}
    assert len(summary["case"]["verdicts"]) == 3
    page = (path / "report.html").read_text()
    assert "Beside the article" in page and "95% intervals over 2 seeds" in page
