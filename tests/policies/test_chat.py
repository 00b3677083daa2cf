"""A model that was taught to chat is asked in its own template, by all that reads or writes."""

import ast
import dataclasses

import pytest
import torch
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.reward.scored_texts import ScoredTexts
from copybandit.policies.writer.checkpoint import save_checkpoint
from copybandit.policies.writer.likelihood import token_log_probs
from copybandit.policies.writer.prompts import prompt
from copybandit.policies.writer.writer import Writer, load_weights, load_writer, make_writer, own_weights
from copybandit.simulation.data.catalog import EVERYONE
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.scenario import load_scenario
from transformers import pipeline

from .test_tuners import LEARN, SETTINGS, SMALL, ShortIsGood

TEMPLATE = (
    "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[copywriter]{% if enable_thinking is not false %} hm{% endif %}{% endif %}"
)


@pytest.fixture(scope="module")
def chatting(tiny, tmp_path_factory) -> Writer:
    """A small writer with a chat template, as it is loaded."""
    folder = tmp_path_factory.mktemp("chat")
    plain = make_writer(tiny, dataclasses.replace(SMALL, vocabulary=300), seed=0)
    plain.tokenizer.chat_template = TEMPLATE
    plain.save(folder)
    return load_writer(str(folder), dataclasses.replace(SMALL, request="Sell it."), seed=0)


@pytest.fixture(scope="module")
def tiny():
    return load_scenario(__file__.replace("policies/test_chat.py", "data/tiny.yaml"))[1]


def test_a_prompt_becomes_a_request_in_the_models_template(chatting, tiny):
    product = tiny.products[0]
    (ids,) = chatting.prompt_ids([prompt(product, "savers")])
    asked = chatting.tokenizer.decode(ids)
    assert asked.startswith(f"[user] Sell it.\n\nAbout: {product.title}\nBrand: ")
    assert asked.endswith("For: savers\n[copywriter]")
    assert chatting.answer_ids(["x"], ["Sharp."])[0][:-1] == chatting.tokenizer("Sharp.")["input_ids"]


def test_what_is_read_of_a_text_is_what_follows_the_request(chatting, tiny):
    ads = tiny.ads[:5]
    asked = [prompt(tiny[ad.product_id], ad.audience) for ad in ads]
    found = torch.stack([row.sum() for row in token_log_probs(chatting, asked, [ad.text for ad in ads])])
    torch.testing.assert_close(found, chatting.log_prob(ads, tiny), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("name", LEARN)
def test_every_way_tunes_it_on_the_chat(chatting, tiny, name):
    """The KL of the first update is near nothing: what is learned from is what was asked."""
    start, asked = own_weights(chatting), [(product, EVERYONE) for product in tiny.products]
    scored = ScoredTexts(ShortIsGood(), asked, keep_diversity=0.5)
    found = SETTINGS.tuner(name).tune(chatting, asked, scored, seed=0)
    load_weights(chatting, start)
    if SETTINGS.tuner(name).on_policy:
        assert abs(found.updates[0].metrics["kl"]) < 0.5


def test_it_is_warm_started_and_its_card_shows_how_it_is_asked(chatting, tiny, tmp_path):
    start = own_weights(chatting)
    loss = warm_start(chatting, tiny, ["savers"], WarmStartConfig(lines=160, batch=8), seed=0)
    load_weights(chatting, start)
    assert 0 < loss < 6
    save_checkpoint(chatting, tmp_path / "saved", prompt(tiny.products[0]), {}, {})
    card = (tmp_path / "saved" / "README.md").read_text()
    begin, end = "text = write(", ", return_full_text=False)"
    chat = ast.literal_eval(card[card.index(begin) + len(begin) : card.index(end)])
    assert chat == chatting.asked(prompt(tiny.products[0]))
    write = pipeline("text-generation", str(tmp_path / "saved"))
    assert isinstance(write(chat, return_full_text=False)[0]["generated_text"], str)


def test_a_request_needs_a_template(tiny, tmp_path):
    config = dataclasses.replace(SMALL, request="Sell it.")
    with pytest.raises(InputError, match="has no chat template"):
        make_writer(tiny, config, seed=0)
    make_writer(tiny, SMALL, seed=0).save(tmp_path / "plain")
    with pytest.raises(InputError, match="has no chat template"):
        load_writer(str(tmp_path / "plain"), config, seed=0)
