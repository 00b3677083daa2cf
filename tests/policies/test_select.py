"""Picking among all texts that were scored, with qualities and vectors worked by hand."""

import math
from collections.abc import Sequence

import pytest
import torch
from copybandit.policies.reward.diversity import vendi, vendi_gain
from copybandit.policies.reward.select import MOST_ALIKE, choice_kl, choose, less_alike, places
from copybandit.simulation.data.catalog import Creative
from torch import Tensor
from torch.nn.functional import normalize

PHRASES = {"best": [1.0, 0.0, 0.0], "good": [0.0, 1.0, 0.0], "other": [0.0, 0.0, 1.0]}
QUALITY = {"best": 1.0, "good": 0.9, "other": 0.85}


class Scored:
    """Texts whose reward is the quality of a phrase."""

    def __init__(
        self, rows: Sequence[tuple[int, str]], failing: Sequence[int] = (), refused: Sequence[int] = ()
    ) -> None:
        self.texts = [Creative(f"p{i}", text) for i, text in rows]
        self.group = torch.tensor([i for i, _ in rows])
        self.quality = torch.tensor([QUALITY[text] for _, text in rows])
        self.failures = torch.zeros(len(rows))
        self.failures[list(failing)] = 1.0
        self.refused = torch.zeros(len(rows))
        self.refused[list(refused)] = 1.0
        self.pattern = torch.arange(len(rows))

    def encode(self, creatives: Sequence[Creative]) -> Tensor:
        return torch.tensor([PHRASES[creative.text] for creative in creatives])


def each(prompts: int, *texts: str) -> list[tuple[int, str]]:
    return [(i, text) for i in range(prompts) for text in texts]


def test_without_a_floor_each_prompt_gets_its_best():
    scored = Scored(each(20, "good", "best", "other"))
    kept = choose(scored, 1)
    assert [scored.texts[i].text for i in kept.rows] == ["best"] * 20
    assert kept.vendi == pytest.approx(1.0)
    assert kept.weight == 0


def test_a_floor_is_reached_at_the_least_cost():
    # Two phrases in equal parts are enough for a score of 2, and the best two are the cheapest.
    scored = Scored(each(40, "good", "best", "other"))
    kept = choose(scored, 1, least_vendi=1.9)
    texts = [scored.texts[i] for i in kept.rows.tolist()]
    assert kept.vendi >= 1.9 and kept.weight > 0
    assert [creative.product_id for creative in texts] == [f"p{i}" for i in range(40)]
    assert [text.text for text in texts].count("other") <= 4


def test_all_three_phrases_where_the_floor_asks_for_them():
    scored = Scored(each(40, "good", "best", "other"))
    assert choose(scored, 1, least_vendi=2.9).vendi >= 2.9


def test_what_cannot_be_reached_is_neared():
    assert choose(Scored(each(5, "best", "best")), 1, least_vendi=3.0).vendi == pytest.approx(1.0)


def test_a_text_that_fails_a_check_adds_no_diversity():
    scored = Scored(each(30, "best", "other"), failing=range(1, 60, 2))
    assert choose(scored, 1, least_vendi=1.9).vendi == pytest.approx(1.0)


def test_two_texts_of_one_prompt_do_not_say_the_same():
    scored = Scored([(0, text) for text in ("good", "best", "other", "good", "best", "other")])
    assert len({scored.texts[i].text for i in choose(scored, 2, least_vendi=2.0).rows}) == 2


def test_candidates_come_in_any_order_and_number():
    scored = Scored([(1, "other"), (0, "good"), (1, "best"), (0, "best"), (1, "good"), (0, "other"), (0, "good")])
    assert choose(scored, 1).rows.tolist() == [3, 2]


def test_places_deal_the_candidates_of_a_prompt_in_turns():
    # Prompt 0 has rows 1, 3, 4, 5; prompt 1 has rows 0 and 2.
    assert places(torch.tensor([1, 0, 1, 0, 0, 0]), 2).tolist() == [[1, 4], [3, 5], [0, -1], [2, -1]]


def test_what_is_dealt_last_shares_its_places_with_others():
    # Of prompt 0 the rows 0 and 2 are refused: dealt as they come they would fill the first place by themselves.
    last = torch.tensor([True, False, True, False])
    assert places(torch.zeros(4, dtype=torch.int64), 2, last).tolist() == [[1, 0], [3, 2]]


def test_a_refused_text_is_not_chosen_while_another_stands():
    rows = each(20, "best", "good", "best", "other")
    scored = Scored(rows, failing=range(1, 80, 4), refused=[i for i, (_, text) in enumerate(rows) if text == "best"])
    # The other one first, as it is sound, then the good one, which fails a check but may be published.
    assert [scored.texts[i].text for i in choose(scored, 1).rows] == ["other"] * 20
    assert {scored.texts[i].text for i in choose(scored, 2).rows} == {"good", "other"}
    # Three places: there is no third text but a refused one.
    assert [scored.texts[i].text for i in choose(scored, 3).rows].count("best") == 20


def test_gain_in_diversity_by_hand():
    # Three texts lie on one axis, one on the other: the shares are 3/4 and 1/4.
    axes = torch.eye(3)
    found = vendi_gain(axes, axes[[0, 0, 0, 1]])
    assert found.tolist() == pytest.approx([math.log(4 / 3), math.log(4), math.log(5)])


def test_gain_in_diversity_is_the_slope_of_log_vendi():
    random = torch.Generator().manual_seed(0)
    kept, more = (normalize(torch.randn(40, 5, generator=random), dim=1) for _ in range(2))
    step, gains = 1e-4, vendi_gain(more, kept)
    shares = torch.full((40,), 1 / 40).double()

    def entropy(vector: Tensor) -> float:
        kernel = (kept.double().T * ((1 - step) * shares)) @ kept.double() + step * vector[:, None] @ vector[None]
        return float(torch.special.entr(torch.linalg.eigvalsh(kernel)).sum())

    slopes = [(entropy(vector) - math.log(vendi(kept))) / step for vector in more.double()]
    found = [slope - slopes[0] for slope in slopes]
    assert found == pytest.approx((gains - gains[0]).tolist(), rel=1e-2, abs=1e-2)


def test_the_kl_of_a_choice_of_one_is_none():
    assert choice_kl(1) == 0
    assert choice_kl(16) == pytest.approx(2.7726 - 15 / 16, abs=1e-4)


def test_a_pattern_gives_up_the_places_where_another_text_costs_least():
    """Pattern 0 has four places of two; losses are 0.5, 0.1, 0.2, and the last has no other: two and three give way."""
    table = torch.tensor([[0, 4], [1, 5], [2, 6], [3, -1]])
    quality = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.5, 0.9, 0.8])
    pattern = torch.tensor([0, 0, 0, 0, 1, 2, 3])
    assert less_alike(torch.arange(4), table, quality, pattern, 2).tolist() == [0, 5, 6, 3]
    assert less_alike(torch.arange(4), table, quality, pattern, 4).tolist() == [0, 1, 2, 3]


def test_what_gives_way_does_not_fill_another_pattern():
    """Both others of the first two places are of pattern 1, which may have one place: the third place moves instead."""
    table = torch.tensor([[0, 3], [1, 4], [2, 5]])
    quality = torch.tensor([1.0, 1.0, 1.0, 0.9, 0.9, 0.1])
    found = less_alike(torch.arange(3), table, quality, torch.tensor([0, 0, 0, 1, 1, 2]), 1)
    assert sorted(torch.tensor([0, 0, 0, 1, 1, 2])[found].tolist()) == [0, 1, 2]


def test_no_pattern_has_more_than_its_share_of_a_choice():
    scored = Scored(each(200, "good", "best", "other", *["good", "other"] * 3))
    scored.pattern = torch.where(scored.quality == 1.0, 0, scored.pattern)
    kept = choose(scored, 1)
    assert (scored.pattern[kept.rows] == 0).sum() == MOST_ALIKE * 200
