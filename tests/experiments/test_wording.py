"""Words that differ by audience: the tests by hand, a planted difference found, none found where there is none."""

import numpy as np
import pytest
from copybandit.experiments.analysis.drawing.run_files import RunFiles
from copybandit.experiments.analysis.fairness.sections import wording
from copybandit.experiments.analysis.fairness.wording import (
    benjamini_hochberg,
    chi_squared,
    compared,
    homogeneity,
    sensitive_words,
    wordings,
    words_of,
)
from copybandit.experiments.placing.options import LoopOptions
from copybandit.simulation.scenario import load_scenario
from scipy.stats import chi2_contingency, false_discovery_control


def test_words_by_hand():
    assert words_of("Don't pay more: 20% off the Harrow's KETTLE!") == [
        "don't",
        "pay",
        "more",
        "off",
        "the",
        "harrow's",
        "kettle",
    ]
    found = wordings(["a b", "a c", "a b", "a c"], few=2)
    assert found.words == ("b", "c")  # all have a
    assert found.has.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_chi_squared_is_pearsons(rng):
    texts = np.array([20.0, 25.0, 15.0])
    have = rng.binomial(texts.astype(int), 0.4).astype(float)
    table = np.stack([have, texts - have])
    assert chi_squared(have[:, None], texts)[0] == pytest.approx(chi2_contingency(table, correction=False).statistic)


def test_benjamini_hochberg_by_hand(rng):
    """Of four: .01 * 4, .02 * 2, .03 * 4 / 3 and .9; the second pulls the first down to itself."""
    assert benjamini_hochberg(np.array([0.9, 0.02, 0.01, 0.03])).tolist() == pytest.approx([0.9, 0.04, 0.04, 0.04])
    p = rng.random(50)
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p))


def test_what_a_product_is_called_is_no_difference(rng):
    """All texts of the first product have the word, whoever they are for, and none of the second."""
    cells = np.array([[4.0, 4.0], [0.0, 0.0]])[:, :, None]
    assert homogeneity(cells, 4, rng, 99)[0][0] == 1.0


def test_homogeneity_by_hand(rng):
    """Of three products the word is always in the texts for the first of two audiences: of the eight ways to permute
    audiences, two are as extreme. What texts of one prompt have in common is one observation, not four.
    """
    cells = np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])[:, :, None]
    p, overall = homogeneity(cells, 4, rng, 4000)
    assert p[0] == pytest.approx(2 / 8, abs=0.03) and overall == p[0]


def texts(difference: bool, seed=0):
    """Twelve products, two audiences, five texts each, of words drawn alike; some say `cheap` to the first."""
    rng, words = np.random.default_rng(seed), np.array([f"w{c}" for c in "abcdefghijklmnopqrst"])
    rows = []
    for product in (f"thing{c}" for c in "abcdefghijkl"):
        for audience in ("savers", "parents"):
            for _ in range(5):
                own = list(words[rng.random(len(words)) < 0.4])
                if difference and rng.random() < (0.7 if audience == "savers" else 0.1):
                    own.append("cheap")
                if difference and rng.random() < (0.0 if audience == "savers" else 0.5):
                    own.append("moms")
                rows.append((product, audience, " ".join([product, *own])))
    return rows


def test_planted_differences_are_found_and_sensitive_ones_come_first(rng):
    found = compared(texts(True), {"cheap": "value"}, rng)
    assert [word["word"] for word in found["differs"]][:2] == ["moms", "cheap"]
    moms, cheap = found["differs"][:2]
    assert (moms["kind"], moms["sensitive"], moms["most"]) == ("gender", True, "parents")
    assert (cheap["kind"], cheap["sensitive"], cheap["most"], cheap["least"]) == ("value", False, "savers", "parents")
    assert cheap["share"]["savers"] > 0.5 > cheap["share"]["parents"] and cheap["q"] < 0.05
    assert found["p"] < 0.01 and (found["products"], found["each"]) == (12, 5)
    for pair in found["pairs"]:
        assert pair["word"] in words_of(pair["most"]["text"]) and pair["word"] not in words_of(pair["least"]["text"])
        assert pair["product"] in pair["most"]["text"] and pair["product"] in pair["least"]["text"]


def test_where_nothing_differs_nothing_is_listed(rng):
    """Twenty words at a false discovery rate of 5%: a list in about one of twenty runs."""
    listed = sum(bool(compared(texts(False, seed), {}, rng)["differs"]) for seed in range(8))
    assert listed <= 2


def test_no_words_to_test(rng):
    found = compared([("p", "a", "x"), ("p", "b", "x")], {}, rng)
    assert (found["tested"], found["differs"], found["p"]) == (0, [], 1.0)


def test_sensitive_words_are_words():
    listed = sensitive_words()
    assert listed["wheelchair"] == "health" and all(words_of(word) == [word] for word in listed)


def test_the_section(tmp_path, rng):
    parts = {name: compared(texts(name == "shown"), {"cheap": "value"}, rng) for name in ("written", "shown")}
    summary = {"wording": parts}
    run = RunFiles.__new__(RunFiles)
    object.__setattr__(run, "summary", summary)
    section = wording(run)
    assert section is not None
    assert " differ over all words" in section.text[2] and "not told apart" in section.text[1]
    assert len(section.alarms) == 1 and "'moms'" in section.alarms[0] and "gender" in section.alarms[0]
    assert section.tables[0].rows[1][:2] == ["cheap", "value"]
    assert section.tables[1].caption == "One product, two audiences: texts chosen to be shown"


def test_appeals_of_a_scenario_name_kinds():
    scenario, _ = load_scenario("shop")
    assert "cheap" in scenario.appeals["value"].words


def test_where_audiences_are_not_written_for_the_option_is_refused():
    assert "wording-products" not in LoopOptions().idle()
    from copybandit.experiments.harness.config import configured

    assert "wording-products" in configured(LoopOptions(), archive="a.csv").idle()
    assert "wording-products" in configured(LoopOptions(), scenario="support").idle()
    assert "wording-products" in configured(LoopOptions(), rounds=2).idle()
