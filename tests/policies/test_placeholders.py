"""Placeholders: texts to templates and back, and a writer that uses them."""

import re
from pathlib import Path

import pytest
import torch
from copybandit.policies.base.corpus import corpus
from copybandit.policies.reward.scored_texts import ScoredTexts
from copybandit.policies.writer.loading import load_model
from copybandit.policies.writer.placeholders import (
    NAMES,
    filled,
    give_placeholders,
    head_noun,
    held,
    is_plural,
    placeholders_of,
    takes_an,
    to_template,
)
from copybandit.policies.writer.prompts import prompt
from copybandit.policies.writer.writer import (
    Writer,
    WriterConfig,
    load_weights,
    load_writer,
    own_weights,
    small_gpt2,
    train_tokenizer,
)
from copybandit.simulation.data.catalog import Catalog, Product
from copybandit.simulation.data.errors import InputError

from .test_tuners import LEARN, SETTINGS, ShortIsGood

SKILLET = "Cast Iron Skillet with Lid | Oak & Ash | 10 inch, pre-seasoned | home cooks =>"
KETTLE = "electric kettle | - | 1200 W | everyone =>"


def test_a_prompt_holds_what_placeholders_stand_for() -> None:
    assert held(SKILLET) == {
        "title": "Cast Iron Skillet with Lid",
        "noun": "skillet",
        "brand": "Oak & Ash",
        "audience": "home cooks",
        "size1": "10 inches",
        "detail2": "pre-seasoned",
    }


def test_nobody_in_particular_no_brand_and_no_details_have_no_placeholder() -> None:
    assert held("kettle | - | - | everyone =>") == {"title": "kettle", "noun": "kettle"}


def test_a_story_is_no_thing() -> None:
    assert "noun" not in held("A baker in Riga gave a bench away. | - | - | everyone =>")


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("Meet the cast iron skillet with lid.", "Meet the {{title}}."),
        ("Oak & Ash made a pre-seasoned skillet.", "{{brand}} made a {{detail2}} {{noun}}."),
        ("An iron skillet for home cooks.", "An iron skillet for {{audience}}."),
        ("110 skillets, 10 skillet", "110 skillets, 10 {{noun}}"),
        ("Nothing of it.", "Nothing of it."),
    ],
)
def test_a_text_and_its_template(text: str, template: str) -> None:
    assert to_template(text, SKILLET) == template
    assert filled(template, SKILLET).lower() == text.lower()


@pytest.mark.parametrize(
    ("told", "name", "measure"),
    [
        ("2.6 L", "volume1", "2.6 litres"),
        ("12L", "volume1", "12 litres"),
        ("1 h", "time1", "1 hour"),
        ("7 year", "time1", "7 years"),
        ("1 person", "people1", "1 person"),
        ("1200 W", "power1", "1200 watts"),
        ("65x70 cm", "size1", "65x70 cm"),
        ("53 x 53 cm", "size1", "53 x 53 cm"),
        ("12 in", "size1", "12 inches"),
        ("1 sq ft", "size1", "1 square foot"),
        ("16 GB", "storage1", "16 GB"),
        ("210 g", "weight1", "210 g"),
        ("$14.50", "money1", "$14.50"),
    ],
)
def test_a_measure_has_its_kind_and_its_unit_as_copy_says_it(told: str, name: str, measure: str) -> None:
    asked = f"thing | - | {told} | everyone =>"
    assert held(asked) == {"title": "thing", "noun": "thing", name: measure}
    assert to_template(f"About {measure} of it.", asked) == f"About {{{{{name}}}}} of it."
    assert filled(f"About {{{{{name}}}}} of it.", asked) == f"About {measure} of it."


@pytest.mark.parametrize("told", ["5 quart bowl", "6 buttons", "20% recycled", "from $14.50", "ages 3 and up"])
def test_what_says_more_than_a_measure_is_a_detail(told: str) -> None:
    assert held(f"thing | - | {told} | everyone =>")["detail1"] == told


def test_measures_of_one_kind_are_numbered_and_a_third_has_no_placeholder() -> None:
    found = held("thing | - | 2 h, 10 min, 3 days, 1 kg | everyone =>")
    assert {name: text for name, text in found.items() if name not in ("title", "noun")} == {
        "time1": "2 hours",
        "time2": "10 minutes",
        "weight1": "1 kg",
    }


def test_a_measure_is_known_in_other_spellings_of_its_unit() -> None:
    asked = "kettle | - | 1.5 L, 9 hours | everyone =>"
    assert to_template("Holds 1.5 liters; a 9-hour charge; 15 litres.", asked) == (
        "Holds {{volume1}}; a {{time1}} charge; 15 litres."
    )


def test_no_line_of_the_grammar_spells_a_number_that_a_placeholder_could_say() -> None:
    for line in corpus(products=60, lines_each=12, seed=8):
        if not line.prompt.split(" | ")[0].endswith((".", "?", "!")):
            said = re.sub(r"\{\{\w+\}\}", "", to_template(line.text, line.prompt))
            assert not re.search(r"(?<!\w)\d", said), line


def test_an_article_agrees_and_a_sentence_begins_with_a_capital() -> None:
    assert to_template("An electric kettle.", KETTLE) == "A {{title}}."
    assert filled("A {{title}}. {{noun}}? A {{noun}}.", KETTLE) == "An electric kettle. Kettle? A kettle."


def test_what_a_prompt_does_not_hold_is_left_out() -> None:
    assert filled("By {{brand}}: {{power2}}.", KETTLE) == "By : ."


@pytest.mark.parametrize(
    ("title", "noun"),
    [
        ("trail running shoes for women", "shoes"),
        ("Espresso Machine", "machine"),
        ("LED strip, 5 m", "strip"),
        ("TV", "TV"),
        ("Bypass Pruning Shears 21 cm", "shears"),
        ("Cordless Grass Trimmer 18V", "trimmer"),
        ("Hand pruner no. 6", "pruner"),
        ("27 inch monitor", "monitor"),
    ],
)
def test_the_noun_of_a_title(title: str, noun: str) -> None:
    assert head_noun(title) == noun


def test_words_that_take_an() -> None:
    assert [word for word in ("hour", "unit", "oak", "euro", "8", "one-off", "kettle") if takes_an(word)] == [
        "hour",
        "oak",
        "8",
    ]


def test_the_corpus_comes_back_as_it_was() -> None:
    lines = corpus(80, 8, seed=3)
    changed = [line for line in lines if filled(to_template(line.text, line.prompt), line.prompt) != line.text]
    assert len(changed) <= len(lines) // 200


@pytest.fixture(scope="module")
def writer() -> Writer:
    tokenizer = train_tokenizer([SKILLET, KETTLE, " Meet the kettle. You will love it."], 400)
    give_placeholders(tokenizer)
    config = WriterConfig(layers=1, width=32, heads=2, max_new_tokens=10)
    return Writer(small_gpt2(config, tokenizer, 0), tokenizer, config)


def test_each_placeholder_is_one_token(writer: Writer) -> None:
    names = placeholders_of(writer.tokenizer)
    assert sorted(names.values()) == sorted(NAMES)
    ids = writer.answer_ids([SKILLET], ["Meet the cast iron skillet with lid."])[0]
    assert [names[i] for i in ids if i in names] == ["title"]
    assert writer.decode([SKILLET], [ids]) == ["Meet the Cast Iron Skillet with Lid."]


def test_a_saved_writer_keeps_them(writer: Writer, tmp_path: Path) -> None:
    writer.save(tmp_path / "w")
    tokenizer, model = load_model(str(tmp_path / "w"), seed=0)
    again = Writer(model, tokenizer, writer.config)
    assert again.has_placeholders
    ids = writer.answer_ids([KETTLE], ["Meet the electric kettle."])
    assert again.answer_ids([KETTLE], ["Meet the electric kettle."]) == ids


def test_a_writer_with_placeholders_of_another_version_is_refused(writer: Writer, tmp_path: Path) -> None:
    writer.save(tmp_path)
    for file in tmp_path.glob("tokenizer*.json"):
        file.write_text(file.read_text(encoding="utf-8").replace("{{weight1}}", "{{figure1}}"), encoding="utf-8")
    with pytest.raises(InputError, match=r"writes \{\{figure1\}\}, which this version does not fill"):
        load_writer(str(tmp_path), WriterConfig(), seed=0)


@pytest.mark.parametrize("name", LEARN)
def test_what_is_rewarded_is_filled_in_whichever_way_it_is_tuned(writer: Writer, name: str) -> None:
    product = Product("a", "zigzag", "x", 1.0)
    asked, start = [(product, "everyone")] * 4, own_weights(writer)
    scored = ScoredTexts(ShortIsGood(), asked, keep_diversity=0.5)
    SETTINGS.tuner(name).tune(writer, asked, scored, seed=0)
    load_weights(writer, start)
    texts = [creative.text for creative in scored.texts]
    assert any("zigzag" in text for text in texts) and not any("{{title}}" in text for text in texts)


def test_a_limit_counts_what_a_placeholder_stands_for(writer: Writer) -> None:
    long, short = Product("a", "very long title of a thing that is sold", "x", 1.0), Product("b", "kettle", "x", 1.0)
    catalog = Catalog([long, short])
    limited = Writer(writer.model, writer.tokenizer, WriterConfig(max_new_tokens=10, max_characters=20))
    written = limited.write(catalog.products, ["everyone"] * 2, 40, generator=torch.Generator().manual_seed(0))
    assert all(len(creative.text) <= 20 for creative in written)
    assert not any(long.title in creative.text for creative in written)
    limit = limited.sampling.limit
    assert limit is not None
    ids, _ = limited.encode_prompts([prompt(long), prompt(short)])
    title = next(i for i, name in placeholders_of(writer.tokenizer).items() if name == "title")
    assert limit.of(ids).first[:, title].tolist() == [len(long.title), len("kettle")]
    assert limit.of(ids).later[:, title].tolist() == [len(long.title) + 1, len("kettle") + 1]


def test_no_placeholder_is_written_for_what_a_prompt_does_not_hold(writer: Writer) -> None:
    say = writer.sampling.sayable
    assert say is not None
    ids, _ = writer.encode_prompts([SKILLET, KETTLE])
    names = placeholders_of(writer.tokenizer)
    which, may = say(ids)
    kept = [{names[i] for i in which[row].tolist()} for row in may]
    assert kept == [set(held(SKILLET)), set(held(KETTLE))]
    written = writer.write(
        [Product("k", "kettle", "x", 1.0)], ["everyone"], 200, generator=torch.Generator().manual_seed(0)
    )
    assert not any("{{" in creative.text for creative in written)


def test_several_things_have_no_article() -> None:
    knives = "steak knives | - | - | everyone =>"
    assert filled("A {{title}} for a friend. Take a {{noun}}.", knives) == "Steak knives for a friend. Take knives."
    assert [title for title in ("wide lens", "glass", "canvas", "octopus", "crew socks, 3") if is_plural(title)] == [
        "crew socks, 3"
    ]
