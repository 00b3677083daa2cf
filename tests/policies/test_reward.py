import math

import pytest
import torch
from copybandit.policies.compliance.filter import Compliance
from copybandit.policies.effect.contract import Prediction
from copybandit.policies.reward.reward import (
    CHECKS,
    Normal,
    Quality,
    Reward,
    RewardConfig,
    aggregated,
    combine,
    pessimistic,
    squash,
)
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.data.errors import InputError

UNIT = {name: Normal(0.0, 1.0) for name in ("ctr", "cvr", "diversity")}


def raw(**values: float) -> dict[str, torch.Tensor]:
    terms = {"ctr": 0.0, "cvr": 0.0, "diversity": 0.0, "failures": 0.0, "refused": 0.0} | values
    return {name: torch.tensor([value]) for name, value in terms.items()}


def test_reward_is_the_weighted_sum_of_squashed_z():
    config = RewardConfig(w_ctr=0.5, w_cvr=0.3, w_div=0.2, clip=3.0, diversity_clip=0.5, penalty=2.0)
    statistics = {"ctr": Normal(1.0, 2.0), "cvr": Normal(0.0, 1.0), "diversity": Normal(0.5, 0.25)}
    # z: (3 - 1) / 2 = 1; -1; (1 - 0.5) / 0.25 = 2
    rewards = combine(raw(ctr=3.0, cvr=-1.0, diversity=1.0, failures=1.0, refused=1.0), statistics, config)
    expected = {
        "ctr": 0.5 * 3 * math.tanh(1 / 3),
        "cvr": 0.3 * 3 * math.tanh(-1 / 3),
        "diversity": 0.2 * 0.5 * math.tanh(2 / 0.5),
        "penalty": -2.0,
        "refused": -2.0,
    }
    assert {name: float(value) for name, value in rewards.weighted.items()} == pytest.approx(expected)
    assert float(rewards.total) == pytest.approx(sum(expected.values()))
    assert float(rewards.raw["ctr"]) == 3.0


def test_reward_as_a_product_of_quality_and_novelty():
    config = RewardConfig(w_ctr=0.5, w_cvr=0.3, w_div=0.4, combined="product", penalty=2.0)
    statistics = {"ctr": Normal(1.0, 2.0), "cvr": Normal(0.0, 1.0), "diversity": Normal(0.5, 0.25)}
    rewards = combine(raw(ctr=3.0, cvr=-1.0, diversity=1.0, failures=1.0), statistics, config)
    z = 0.5 * 3 * math.tanh(1 / 3) + 0.3 * 3 * math.tanh(-1 / 3)
    quality = math.log1p(math.exp(z)) / math.log(2)
    assert float(rewards.total) == pytest.approx(quality * 2**0.4 - 1 - 2.0)  # novelty is twice the usual
    assert sum(float(value) for value in rewards.weighted.values()) == pytest.approx(float(rewards.total))
    usual = combine(raw(ctr=1.0, diversity=0.5), statistics, config)
    assert float(usual.total) == pytest.approx(0.0)


def test_the_ensemble_by_its_least_member():
    members = torch.tensor([[1.0, 2.0], [3.0, -2.0]])
    assert aggregated(members, RewardConfig(ensemble="minimum")).tolist() == [1.0, -2.0]
    assert aggregated(members, RewardConfig(pessimism=1.0)).tolist() == [1.0, -2.0]


def test_pessimism_takes_deviations_off_the_mean():
    members = torch.tensor([[1.0, 2.0], [3.0, 2.0]])
    assert pessimistic(members, 0.5).tolist() == [2 - 0.5 * 1, 2.0]


def test_squash_is_the_identity_near_zero_and_bounded_on_each_side():
    z = torch.tensor([0.01, -0.01, 1e9, -1e9, -1.0])
    expected = [0.01, -0.01, 0.5, -3.0, -3 * math.tanh(1 / 3)]
    assert squash(z, below=3.0, above=0.5).tolist() == pytest.approx(expected, rel=1e-3)


def test_normal_of_a_sample():
    assert Normal.of(torch.tensor([1.0, 3.0])) == Normal(2.0, 1.0)
    assert Normal.of(torch.tensor([5.0, 5.0])).deviation == pytest.approx(1e-6)


@pytest.mark.parametrize("weights", [(-0.1, 0.5, 0.5), (0.0, 0.0, 0.0)])
def test_weights_that_reward_nothing_are_refused(weights):
    with pytest.raises(InputError, match="weights"):
        RewardConfig(*weights)


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("Sharp and sturdy: the steel knife that lasts.", None),
        ("", "length"),
        ("Steel knife " + "and another long word " * 20, "length"),
        ("knife knife knife knife knife knife knife", "repetition"),
        ("THE STEEL KNIFE YOU HAVE ALWAYS WANTED", "shouting"),
        ("The steel knife ✨✨✨✨ for your ✨✨✨✨ home", "symbols"),
        ("Something lovely for somebody you like a lot.", "off_topic"),
        ("steel knife | savers => the steel knife lasts", "echo"),
    ],
)
def test_each_check_catches_what_it_is_for(tiny_catalog, text, failed):
    product = tiny_catalog.products[0]
    text = text.replace("steel knife", product.title).replace("knife", product.title.split()[-1])
    quality = Quality(tiny_catalog, (20, 120))
    row = quality.failures([Creative(product.product_id, text)])[0]
    found = {name for name, value in zip(CHECKS, row.tolist(), strict=True) if value}
    assert failed in found if failed else not found


class Even:
    """An effect model to which all texts are alike."""

    def predict(self, creatives):
        return Prediction(torch.zeros(2, len(creatives), 2), torch.zeros(2, len(creatives), 2))


def test_a_refused_text_costs_once_and_loses_its_novelty(tiny_catalog):
    product = tiny_catalog.products[0].product_id
    texts = [Creative(product, text) for text in ("One thing", "Another matter", "A miracle, click here")]
    quality = Quality(tiny_catalog, (1, 200), naming=False)
    reward = Reward(Even(), quality, Compliance.of(tiny_catalog), RewardConfig(penalty=0.5))
    reward.freeze(texts, torch.zeros(3))
    found = reward(texts, torch.zeros(3))
    assert found.raw["refused"].tolist() == [0, 0, 1]
    assert found.weighted["refused"].tolist() == [0, 0, -0.5]
    assert found.raw["failures"].tolist() == [0, 0, 0]
    assert float(found.raw["diversity"][2]) == 0 and float(found.raw["diversity"][0]) > 0
    assert reward.sound(texts).tolist() == [True, True, False]
