"""Picking among several texts, with rewards and vectors worked by hand."""

from collections.abc import Sequence

import pytest
import torch
from copybandit.policies.diversity import nearest_novelty, novelty, novelty_in_place
from copybandit.policies.reward import Rewards
from copybandit.policies.select import choice_kl, picked
from copybandit.simulation.catalog import Creative
from torch import Tensor

PHRASES = {"best": [1.0, 0.0, 0.0], "good": [0.0, 1.0, 0.0], "other": [0.0, 0.0, 1.0]}
QUALITY = {"best": 1.0, "good": 0.9, "other": 0.85}


class Picker:
    """Quality of a phrase, plus `weight` times novelty."""

    def __init__(self, weight: float) -> None:
        self.weight, self.asked = weight, 0

    def __call__(self, creatives: Sequence[Creative], group: Tensor) -> Rewards:
        self.asked += len(creatives)
        quality = torch.tensor([QUALITY[creative.text] for creative in creatives])
        zero = torch.zeros(len(creatives))
        return self.again({"ctr": quality, "diversity": zero, "failures": zero})

    def again(self, raw: dict[str, Tensor]) -> Rewards:
        return Rewards(raw["ctr"] + self.weight * raw["diversity"], raw, {})

    def encode(self, creatives: Sequence[Creative]) -> Tensor:
        return torch.tensor([PHRASES[creative.text] for creative in creatives])


def candidates(prompts: int, *texts: str) -> tuple[list[Creative], Tensor]:
    creatives = [Creative(f"p{i}", text) for i in range(prompts) for text in texts]
    return creatives, torch.arange(prompts).repeat_interleave(len(texts))


def test_without_a_word_on_novelty_each_prompt_gets_its_best():
    texts, group = candidates(20, "good", "best", "other")
    reward = Picker(0.0)
    kept = picked(texts, group, 3, reward)
    assert [texts[i].text for i in kept] == ["best"] * 20
    assert reward.asked == len(texts)


def test_what_the_others_have_is_not_taken_again_where_another_text_is_nearly_as_good():
    texts, group = candidates(40, "good", "best", "other")
    kept = [texts[i].text for i in picked(texts, group, 3, Picker(1.0)).tolist()]
    assert len(set(kept)) == 3
    assert [texts[i].product_id for i in picked(texts, group, 3, Picker(1.0)).tolist()] == [f"p{i}" for i in range(40)]


def test_two_texts_of_one_prompt_do_not_say_the_same():
    texts = [Creative("p", text) for text in ("good", "best", "other", "good", "best", "other")]
    kept = picked(texts, torch.zeros(6, dtype=torch.int64), 3, Picker(1.0)).tolist()
    assert len({texts[i].text for i in kept}) == 2


def test_novelty_in_place_agrees_with_a_hand_worked_case():
    # It takes the last one's place. To the one other text of its prompt the cosine is .6, to the nearest two .6 and 0.
    vectors, others = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    valid = torch.tensor([True, True, False, True])
    found = novelty_in_place(vectors, torch.tensor([3]), torch.tensor([7, 8, 7, 7]), others, valid, k=2)
    assert found.tolist() == pytest.approx([(0.4 + (0.4 + 1.0) / 2) / 2])


def test_in_its_own_place_a_text_is_as_novel_as_in_its_batch():
    vectors = torch.nn.functional.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    group, valid = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([True, True, False, True, True, True])
    found = novelty_in_place(vectors, torch.arange(6), group, vectors, valid)
    batch = (novelty(vectors, group, valid) + nearest_novelty(vectors, valid)) / 2
    assert found[valid].tolist() == pytest.approx(batch[valid].tolist(), rel=1e-5)


def test_the_kl_of_a_choice_of_one_is_none():
    assert choice_kl(1) == 0
    assert choice_kl(16) == pytest.approx(2.7726 - 15 / 16, abs=1e-4)
