import dataclasses

import pytest
import torch
from copybandit.policies.learning.supervised import nats_a_token
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.writer.prompts import prompt
from copybandit.policies.writer.word_pairs import WordPairs
from copybandit.policies.writer.writer import Writer, WriterConfig, load_writer, make_writer, one_line
from copybandit.simulation.data.catalog import Creative, Product
from copybandit.simulation.data.errors import InputError

SMALL = WriterConfig(layers=1, width=32, heads=2, vocabulary=400, max_new_tokens=8)


@pytest.fixture
def writer(tiny_catalog) -> Writer:
    return make_writer(tiny_catalog, SMALL, seed=0)


def test_prompt_names_product_and_audience():
    product = Product("p", "steel => knife", "kitchen", 10.0, "Acme", "", (("a", "sharp"), ("b", "red"), ("c", "big")))
    assert prompt(product, "savers") == "steel -> knife | Acme | sharp, red b | savers =>"


def test_same_seed_same_texts(writer, tiny_catalog):
    products, audiences = tiny_catalog.products[:2], ["savers", "savers"]
    texts = [writer.write(products, audiences, 3, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]
    assert [creative.product_id for creative in texts[0]] == [products[0].product_id] * 3 + [products[1].product_id] * 3


def test_sampling_leaves_the_global_generator_alone(writer, tiny_catalog):
    before = torch.get_rng_state()
    writer.write(tiny_catalog.products[:1], ["savers"], 1, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_log_prob_is_the_sum_over_the_answers_tokens(writer, tiny_catalog):
    creative = Creative(tiny_catalog.products[0].product_id, "Sturdy and sharp.")
    tokenizer = writer.tokenizer
    question = tokenizer(prompt(tiny_catalog.products[0]))["input_ids"]
    answer = [*tokenizer(" Sturdy and sharp.")["input_ids"], tokenizer.eos_token_id]
    logits = writer.model(torch.tensor([question + answer])).logits[0].log_softmax(-1).detach()
    expected = sum(logits[len(question) - 1 + i, token] for i, token in enumerate(answer))
    assert float(writer.log_prob([creative], tiny_catalog)) == pytest.approx(float(expected), rel=1e-5)


def test_any_language_survives_the_tokenizer(writer):
    for text in ("Größe für 5 €", "纯铜锅，三年保修。", "نص عربي", "👍🏽 ok"):
        assert writer.tokenizer.decode(writer.tokenizer(text)["input_ids"]) == text


def test_pad_is_not_end(writer):
    assert writer.tokenizer.pad_token_id != writer.tokenizer.eos_token_id


def test_what_it_has_read_is_saved_with_it(writer, tmp_path):
    knows = Writer(writer.model, writer.tokenizer, SMALL, word_pairs=WordPairs.of(["meet the mug."]))
    knows.save(tmp_path / "w")
    again = load_writer(str(tmp_path / "w"), SMALL, seed=0)
    assert again.word_pairs is not None
    assert again.word_pairs.unread("the mug. meet it") == (1, 4, 6)  # all six pairs were read once or never
    writer.save(tmp_path / "other")
    assert load_writer(str(tmp_path / "other"), SMALL, seed=0).word_pairs is None


def test_it_samples_as_its_checkpoint_says(writer, tmp_path):
    kept = dataclasses.replace(SMALL, temperature=1.0, top_p=0.9, max_characters=30)
    Writer(writer.model, writer.tokenizer, kept).save(tmp_path / "w")
    said = load_writer(str(tmp_path / "w")).config
    assert (said.temperature, said.top_p, said.max_new_tokens, said.max_characters) == (1.0, 0.9, 8, 30)
    (tmp_path / "w" / "generation_config.json").unlink()
    with pytest.raises(InputError, match="w: does not say how it samples"):
        load_writer(str(tmp_path / "w"))


def test_saved_and_loaded_writes_the_same(writer, tiny_catalog, tmp_path):
    writer.save(tmp_path / "w")
    again = make_writer(tiny_catalog, SMALL, seed=9, model=str(tmp_path / "w"))
    assert again.fingerprint() == writer.fingerprint()
    texts = [
        w.write(tiny_catalog.products, ["savers"] * 4, 1, generator=torch.Generator().manual_seed(1))
        for w in (writer, again)
    ]
    assert texts[0] == texts[1]


def test_a_model_that_is_not_there(tiny_catalog):
    with pytest.raises(InputError, match="--model no/such-model") as caught:
        make_writer(tiny_catalog, SMALL, seed=0, model="no/such-model")
    assert "\n" not in str(caught.value)


def test_a_prompt_longer_than_the_context(tiny_catalog):
    writer = make_writer(tiny_catalog, dataclasses.replace(SMALL, max_new_tokens=120), seed=0)
    with pytest.raises(InputError, match="exceeds the model's context of 128"):
        writer.encode_prompts([prompt(product) for product in tiny_catalog.products])


def test_warm_start_learns_the_ads_and_repeats_itself(tiny_catalog):
    config = WarmStartConfig(lines=1200, batch=12, learning_rate=5e-3)
    ads, losses, prints = tiny_catalog.ads, [], []
    for _ in range(2):
        writer = make_writer(tiny_catalog, SMALL, seed=0)
        before = float(writer.log_prob(ads, tiny_catalog).mean())
        losses.append(warm_start(writer, tiny_catalog, ["savers"], config, seed=3))
        prints.append(writer.fingerprint())
    assert float(writer.log_prob(ads, tiny_catalog).mean()) > before + 20
    assert losses[0] < 2.0
    assert prints[0] == prints[1]


def test_a_supervised_loss_counts_the_ads_tokens_alone(writer, tiny_catalog):
    ads = tiny_catalog.ads[:5]
    prompts = [prompt(tiny_catalog[ad.product_id]) for ad in ads]
    loss = nats_a_token(writer, prompts, [ad.text for ad in ads], 128)
    tokens = sum(len(writer.tokenizer(f" {ad.text}")["input_ids"]) + 1 for ad in ads)
    assert loss.item() == pytest.approx(-writer.log_prob(ads, tiny_catalog).sum().item() / tokens, rel=1e-5)


def test_warm_start_needs_a_batch():
    with pytest.raises(InputError, match="at least one batch"):
        WarmStartConfig(lines=3, batch=8)


@pytest.mark.parametrize(
    ("sampled", "shown"),
    [
        (" Tough\r tent\n for  two ", "Tough tent for two"),
        ("A\x00 t\x0een\x14t", "A tent"),
        ("a\x1cb\x85c\u2028d", "a b c d"),
        ("für Zürich, 帐篷", "für Zürich, 帐篷"),
        ("\r\n", ""),
    ],
)
def test_a_text_is_one_line_without_control_characters(sampled, shown):
    assert one_line(sampled) == shown
