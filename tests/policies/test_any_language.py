"""Chinese, which is written without spaces: the writer, the checks and the measures of diversity."""

import pytest
import torch
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.reward.diversity import distinct, self_bleu
from copybandit.policies.reward.reward import CHECKS, Quality, Rewards
from copybandit.policies.tuning.ppo import Ppo, PpoConfig
from copybandit.policies.writer.writer import WriterConfig, make_writer
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.scenario import load_scenario
from copybandit.simulation.text.encoder import tokens

SMALL = WriterConfig(layers=1, width=64, heads=2, vocabulary=800, max_new_tokens=16)


@pytest.fixture(scope="module")
def catalog():
    return load_scenario("chafang")[1]


def test_words_are_characters_where_there_are_no_spaces():
    first, second = tokens("明前龙井，放心喝"), tokens("明前龙井，马上抢")
    assert first == ["明", "前", "龙", "井", "放", "心", "喝"]
    assert distinct([first, second], 2) == pytest.approx(9 / 12)  # 明前, 前龙 and 龙井 come twice
    assert 0.2 < self_bleu([first, second], 2) < 0.7


def test_checks_read_chinese(catalog):
    quality = Quality.of(catalog)
    own, other, long = "明前龙井手工炒制，匠心都在豆香里。", "紫砂小壶，老师傅一把一把做。", "明前龙井" * 20
    failed = quality.failures([Creative("tea-01", text) for text in (own, other, long)]).bool()
    assert [[name for name, bad in zip(CHECKS, row, strict=True) if bad] for row in failed.tolist()] == [
        [],
        ["off_topic", "other_product"],
        ["length", "repetition"],
    ]


def test_a_writer_learns_and_is_tuned_in_chinese(catalog):
    writer = make_writer(catalog, SMALL, seed=0)
    loss = warm_start(writer, catalog, ["讲究品质"], WarmStartConfig(lines=2000, batch=8, learning_rate=4e-3), seed=0)
    assert loss < 3.3  # from log 800 = 6.7

    def names_its_product(creatives, group):
        total = torch.tensor([float(catalog[c.product_id].title in c.text) for c in creatives])
        return Rewards(total, {"failures": 1 - total, "refused": 0 * total}, {"ctr": total})

    asked = [(product, "讲究品质") for product in catalog.products]
    config = PpoConfig(updates=8, batch=64, group=4, learning_rate=1e-3, kl_start=0.02)
    rewards = [u.metrics["reward"] for u in Ppo(config).tune(writer, asked, names_its_product, seed=0).updates]
    assert sum(rewards[-2:]) > sum(rewards[:2])
    texts = writer.write(catalog.products, ["讲究品质"] * 16, generator=torch.Generator().manual_seed(0))
    assert sum("一" <= character <= "鿿" for c in texts for character in c.text) > 0.7 * sum(len(c.text) for c in texts)
