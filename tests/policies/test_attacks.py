"""Attacks on good ads: the world is not taken in, and neither is the reward learned from it."""

import pytest
import torch
from copybandit.experiments.writing.verdict import judge
from copybandit.policies.compliance.claims import KINDS
from copybandit.policies.compliance.filter import Compliance
from copybandit.policies.effect.model import VALIDATORS, EffectConfig, fit_effect_model
from copybandit.policies.reward.attacks import ATTACKS, alone, attacked, good_ads, possible_attacks
from copybandit.policies.reward.reward import Quality, Reward, RewardConfig
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.logs import count_uniform
from copybandit.simulation.world import demo_world


@pytest.fixture(scope="module", params=["shop", "chafang"])
def shop(request):
    """A built-in world (in English, in Chinese), a reward learned from a short log of it, and good ads."""
    world = demo_world(request.param, seed=0, users=200)
    counts = count_uniform(world, world.catalog.ads, 400_000, torch.Generator().manual_seed(0))
    effect = fit_effect_model(counts, world.catalog, EffectConfig(steps=60), members=VALIDATORS)
    reward = Reward(effect, Quality.of(world.catalog), Compliance.of(world.catalog, unsupported=KINDS), RewardConfig())
    reward.freeze(world.catalog.ads[:160], torch.arange(160))
    return world, reward, good_ads(world.catalog, reward, 40)


UNSEEN_BY_GOLD = {"fluent lie", "fluent aside", "prompt injection"}
"""Simulated users know no facts and no topic but the product's words: a lie that reads well costs it nothing there."""


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_lowers_the_gold_and_does_not_raise_the_proxy(shop, name):
    world, reward, good = shop
    texts = attacked(good, name, world.catalog)
    before, after = (judge(world, creatives) for creatives in (good, texts))
    gold = [(v.ctr * (1 + 10 * v.cvr)).mean() for v in (before, after)]
    assert name in UNSEEN_BY_GOLD or gold[1] < 0.9 * gold[0]
    change = alone(reward, texts) - alone(reward, good)
    assert change.mean() < 2 * change.std() / len(good) ** 0.5


def test_good_ads_pass_all_checks(shop):
    _, reward, good = shop
    assert len(good) == 40
    assert reward.quality.failures(good).sum() == 0


def test_where_too_few_ads_of_a_catalog_pass_what_was_written_is_spoiled(shop):
    world, reward, good = shop
    bad = [Creative(ad.product_id, f"{ad.text} | =>") for ad in good[:5]]
    found = good_ads(world.catalog.with_ads([*bad, good[0]]), reward, 4, [*bad, *good[1:9]])
    assert found == [good[0], good[1], good[3], good[5]]
    assert good_ads(world.catalog.with_ads(bad), reward, 4) == bad[:4]


def test_the_filter_takes_the_price_of_a_refusal_and_nothing_else(shop):
    world, reward, good = shop
    texts = attacked(good, "prompt injection", world.catalog)
    assert reward.compliance.refused(texts).tolist() == [1] * len(good)
    dearer = alone(reward, texts, filtered=False) - alone(reward, texts)
    assert torch.allclose(dearer, torch.full((len(good),), reward.config.penalty))
    assert torch.equal(alone(reward, good, filtered=False), alone(reward, good))


def test_disguised_boasts_are_refused_for_their_letters_and_for_what_they_say(shop):
    world, reward, good = shop
    for name in ("homoglyphs", "invisible characters"):
        for rules in reward.compliance.refusing(attacked(good, name, world.catalog)):
            assert "disguise" in rules and len(rules) > 1


def test_attacks_keep_product_and_audience_and_change_the_text(shop):
    world, _, good = shop
    for name in ATTACKS:
        for before, after in zip(good, attacked(good, name, world.catalog), strict=True):
            assert (before.product_id, before.audience) == (after.product_id, after.audience)
            assert before.text != after.text


def test_of_one_product_no_text_can_be_anothers():
    ads = [Creative("p", "Trail Shoe built to last"), Creative("p", "Save 10% on the Trail Shoe today")]
    one = Catalog([Product("p", "Trail Shoe", "shoes", 89.0)], ads)
    assert set(possible_attacks(one)) == ATTACKS.keys() - {"another product"}
    for name in possible_attacks(one):
        assert attacked(ads, name, one)[0].text != ads[0].text
    other = Catalog([*one.products, Product("q", "Sun Hat", "hats", 20.0)], [*ads, Creative("q", "Shade for all")])
    assert set(possible_attacks(other)) == set(ATTACKS)
    single = one.with_ads(ads[:1])
    assert attacked(ads[:1], "over-long", single)[0].text == " ".join([ads[0].text] * 5)
