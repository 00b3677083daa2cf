"""The reward's reader: what is garbled is unlikely, on the whole or in one place, and human lines pass."""

import math
import random

import pytest
import torch
from copybandit.policies.learning.warm_start import WarmStartConfig, split_ads, warm_start
from copybandit.policies.reward.fluency import Fluency
from copybandit.policies.reward.reward import CHECKS, Quality
from copybandit.policies.writer.likelihood import token_log_probs
from copybandit.policies.writer.prompts import prompt
from copybandit.policies.writer.reading import FrozenReader
from copybandit.policies.writer.word_pairs import WordPairs
from copybandit.policies.writer.writer import Writer, WriterConfig, make_writer
from copybandit.simulation.data.catalog import Catalog, Creative
from copybandit.simulation.scenario import load_scenario


@pytest.fixture(scope="module")
def shop() -> Catalog:
    return load_scenario("shop")[1]


@pytest.fixture(scope="module")
def writer(shop) -> Writer:
    """A small one that has learned the shop's ads for some seconds."""
    small = make_writer(shop, WriterConfig(layers=1, width=96, heads=2, vocabulary=1500), seed=0)
    warm_start(small, shop, ["savers"], WarmStartConfig(lines=4000), seed=0)
    return small


def test_log_probs_are_those_of_the_whole_text(writer, shop):
    ads = [*shop.ads[:5], Creative(shop.ads[0].product_id, "x"), *shop.ads[90:95]]
    asked = [prompt(shop[ad.product_id]) for ad in ads]
    found = token_log_probs(writer, asked, [ad.text for ad in ads])
    assert [len(row) for row in found] == [len(ids) for ids in writer.answer_ids(asked, [ad.text for ad in ads])]
    torch.testing.assert_close(
        torch.stack([row.sum() for row in found]), writer.log_prob(ads, shop), atol=1e-3, rtol=1e-4
    )


def test_of_a_text_beyond_the_context_what_fits_is_read(writer, shop):
    """An attack may be longer than any ad: 128 tokens hold the prompt and what fits behind it."""
    asked = prompt(shop.products[0])
    read = len(writer.tokenizer(asked)["input_ids"])
    (found,) = token_log_probs(writer, [asked], ["a tent for two " * 60])
    assert len(found) == 128 - read and bool(found.isfinite().all())


def test_nats_by_hand(writer, shop, monkeypatch):
    """Tokens of 1, 1, 4, 4, 4 and 2 nats: 16 / 6 on the whole, 4 in the worst three; a text of two tokens: its mean."""
    rows = [-torch.tensor([1.0, 1.0, 4.0, 4.0, 4.0, 2.0]), -torch.tensor([1.0, 3.0])]
    monkeypatch.setattr("copybandit.policies.writer.reading.token_log_probs", lambda *_: rows)
    reader = FrozenReader(writer, shop)
    texts = [Creative(shop.products[0].product_id, "a b c d e"), Creative(shop.products[1].product_id, "a")]
    torch.testing.assert_close(reader.nats(texts), torch.tensor([[16 / 6, 4.0], [2.0, 2.0]]))
    assert Fluency(reader, (2.0, 4.5)).failures(texts).tolist() == [True, False]


def test_a_word_that_is_none_does_not_read_well(writer, shop):
    """To a reader that knows what it has read; the catalog's own words are known to all."""
    own = shop.products[0]
    pairs = WordPairs.of(["meet the {{title}}."])
    knows = Writer(writer.model, writer.tokenizer, writer.config, word_pairs=pairs)
    reader = FrozenReader(knows, shop)
    lines = [
        f"Meet the {own.title}.",
        f"Meet the {shop.products[40].title.split()[0]} {own.title}.",
        f"Meet thethe {own.title}.",
    ]
    texts = [Creative(own.product_id, line) for line in lines]
    limitless = (math.inf, math.inf)
    assert Fluency(reader, limitless).failures(texts).tolist() == [False, False, True]
    assert reader(texts).shape == (3, 5)
    assert Fluency(FrozenReader(writer, shop), limitless).failures(texts).tolist() == [False] * 3


def test_a_share_of_human_lines_passes_and_shuffled_words_are_less_likely(writer, shop):
    learned, away = split_ads(shop, shop.ads)
    reader = FrozenReader(writer, shop)
    judge = Fluency.of(reader, away, 0.9)
    assert judge is not None
    passed = 1 - judge.failures(away).float().mean().item()
    assert 0.85 <= passed <= 0.97
    draw = random.Random(0)

    def shuffled(ad: Creative) -> Creative:
        words = ad.text.split()
        draw.shuffle(words)
        return Creative(ad.product_id, " ".join(words))

    ads = learned[:200]
    before, after = reader.nats(ads)[:, 0], reader.nats([shuffled(ad) for ad in ads])[:, 0]
    assert (after > before).float().mean() > 0.9


def test_the_reader_stays_as_it_was_when_the_writer_learns(writer, shop):
    reader = FrozenReader(writer, shop)
    before = reader.nats(shop.ads[:4])
    weight = writer.model.transformer.wte.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.mul_(0.5)
    torch.testing.assert_close(reader.nats([*shop.ads[:4], shop.ads[4]])[:4], before)
    with torch.no_grad():
        weight.copy_(kept)


def test_too_few_lines_say_nothing_and_a_text_that_does_not_read_well_fails_a_check(writer, shop):
    reader = FrozenReader(writer, shop)
    assert Fluency.of(reader, shop.ads[:5], 0.95) is None
    judge = Fluency(reader, (0.0, 0.0))
    column = CHECKS.index("fluency")
    for fluency, failed in ((None, 0.0), (judge, 1.0)):
        assert Quality.of(shop, fluency=fluency).failures(shop.ads[:3])[:, column].tolist() == [failed] * 3


def test_the_texts_of_a_log_are_read_once(writer, shop, monkeypatch):
    reader, ads = FrozenReader(writer, shop), shop.ads[:6]
    expected = reader.nats(ads[::-1])
    reader = FrozenReader(writer, shop)
    reader.keep(ads)
    read: list[str] = []
    monkeypatch.setattr(
        "copybandit.policies.writer.reading.token_log_probs",
        lambda _, asked, texts: read.extend(texts) or token_log_probs(writer, asked, texts),
    )
    torch.testing.assert_close(reader.nats(ads[::-1]), expected)
    assert read == []
    found = reader.nats([ads[0], shop.ads[90], ads[1]])
    assert read == [shop.ads[90].text]
    torch.testing.assert_close(found[[0, 2]], expected.flip(0)[:2])
    assert reader.nats([]).shape == (0, 2)
