"""A reward that remembers what it scored."""

import pytest
import torch
from copybandit.policies.reward.reward import Rewards
from copybandit.policies.reward.scored_texts import ScoredTexts
from copybandit.simulation.data.catalog import Creative


class ByLength:
    """Pays for short texts, and for novelty that only the total holds."""

    def __call__(self, creatives, group):
        quality = torch.tensor([-float(len(creative.text)) for creative in creatives])
        failures = torch.tensor([float("!" in creative.text) for creative in creatives])
        diversity = torch.ones(len(creatives))
        raw = {"failures": failures, "refused": 1 - failures}
        return Rewards(quality + diversity, raw, {"ctr": quality, "diversity": diversity})


@pytest.fixture
def candidates(tiny_catalog):
    return ScoredTexts(ByLength(), [(product, "savers") for product in tiny_catalog.products])


def texts(candidates, *lines):
    pairs = [candidates._asked[i] for i, _ in lines]
    return [Creative(product.product_id, line, who) for (product, who), (_, line) in zip(pairs, lines, strict=True)]


def fill(candidates):
    candidates(texts(candidates, (2, "schön!"), (0, "a|b\n")), torch.tensor([2, 0]))
    candidates(texts(candidates, (1, "")), torch.tensor([1]))


def test_all_that_was_scored_is_remembered_and_counted(candidates):
    fill(candidates)
    assert len(candidates) == 3
    assert [creative.text for creative in candidates.texts] == ["schön!", "a|b\n", ""]
    assert candidates.group.tolist() == [2, 0, 1]
    assert candidates.quality.tolist() == [-6.0, -4.0, 0.0]
    assert candidates.failures.tolist() == [1.0, 0.0, 0.0]
    assert candidates.refused.tolist() == [0.0, 1.0, 1.0]


def test_a_saved_state_puts_all_of_it_back(candidates):
    fill(candidates)
    other = ScoredTexts(candidates.reward, candidates._asked)
    other.restore(candidates.state())
    assert other.texts == candidates.texts
    for name in ("group", "quality", "failures", "refused"):
        assert torch.equal(getattr(other, name), getattr(candidates, name))
    other.restore({})
    assert len(other) == 0 and other.state() == {}
