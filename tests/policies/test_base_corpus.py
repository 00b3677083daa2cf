"""The corpus of the base: true by construction, different, and no handful of patterns."""

import re
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from copybandit.policies.base.corpus import Line, corpus, held_out, read_rows, read_taught, write_taught
from copybandit.policies.base.grammar import article, headline, lines, tidy
from copybandit.policies.base.invent import invent
from copybandit.policies.base.words_files import fact, marked, verb, words
from copybandit.policies.compliance.claims import Claims
from copybandit.policies.writer.prompts import prompt
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.data.errors import InputError


@pytest.fixture(scope="module")
def small() -> list[Line]:
    return corpus(products=150, lines_each=12, seed=3)


def test_there_are_many_trades_and_families() -> None:
    families = words("trades")
    assert len({family["trade"] for family in families}) >= 25
    assert len(families) >= 60


@pytest.mark.parametrize("part", ["does", "for", "people", "when", "scenes"])
def test_no_phrase_of_a_trade_states_a_number_or_a_promise(part: str) -> None:
    phrases = [phrase for family in words("trades") for phrase in family.get(part, ())]
    claims = Claims(Catalog([Product("p", "thing", "things", 0.0)]))
    assert len(phrases) > 100
    for phrase in phrases:
        found = {claim.kind for claim in claims.unsupported(Creative("p", phrase))}
        assert not found & {"number", "price", "warranty", "discount"}, phrase


def test_no_phrase_for_any_product_states_what_it_would_have_to_have() -> None:
    claims = Claims(Catalog([Product("p", "thing", "things", 0.0, "Maker")]))
    phrases = [phrase for appeal in words("phrases").values() for phrase in appeal]
    assert len(phrases) == len(set(phrases)) > 250
    for phrase in phrases:
        said = phrase.format(title="thing", brand="Maker", detail="things")
        assert not claims.unsupported(Creative("p", said)), phrase


def test_phrases_agree_with_what_they_speak_of() -> None:
    random = np.random.default_rng(4)
    many = [made for made in (invent(number, random) for number in range(200)) if made.number == "many"]
    said = [line for made in many for line in islice(lines(made, 0, "everyone", random, phrases=True), 8)]
    assert len(said) > 100
    assert not [line for line in said if re.search(r"\b(?:an?|this|is|has|it)\b", line)]


def test_every_family_names_kinds_of_facts_that_exist() -> None:
    for family in words("trades"):
        assert set(family["facts"]) <= set(words("facts")), family["trade"]


def test_what_a_line_claims_stands_in_its_prompt() -> None:
    random, found = np.random.default_rng(2), Counter[str]()
    for number in range(300):
        made = invent(number, random)
        product = replace(made.product, attributes=made.product.attributes[:2], price=0.0)
        claims, given = Claims(Catalog([product])), re.findall(r"\w+", prompt(product).lower())
        for text in islice(lines(made, 2, "everyone", random), 6):
            found["lines"] += 1
            for claim in claims.unsupported(Creative(product.product_id, text)):
                kinds = {word.rstrip("s") for word in given}
                if not all(word.rstrip("s") in kinds for word in re.findall(r"\w+", claim.said)):
                    found[claim.kind] += 1
    assert found["lines"] > 1500
    assert found["number"] + found["price"] + found["warranty"] + found["discount"] == 0, found
    assert (found["material"] + found["superlative"] + found["deadline"]) / found["lines"] < 0.01, found


def test_the_same_seed_makes_the_same_corpus_and_no_line_comes_twice(small: list[Line]) -> None:
    again = corpus(products=150, lines_each=12, seed=3)
    assert again == small
    assert len({line.text for line in small}) == len(small)
    assert corpus(products=150, lines_each=12, seed=4) != small


def test_no_pattern_stands_in_more_than_two_percent_of_the_lines() -> None:
    patterns: Counter[str] = Counter()
    random = np.random.default_rng(0)
    for number in range(400):
        made = invent(number, random)
        own = " ".join([made.product.title, made.product.brand, *(value for _, value in made.said)])
        masked = re.compile(rf"\b({'|'.join(set(re.findall('[a-z0-9]+', own.lower())))})\b", re.IGNORECASE)
        for text in islice(lines(made, 2, "everyone", random), 5):
            patterns[re.sub(r"(_\W*)+", "_ ", masked.sub("_", text))] += 1
    (_, most), *_ = patterns.most_common(1)
    assert most / patterns.total() <= 0.02


def test_lines_speak_of_the_attributes_that_are_shown_and_of_no_other() -> None:
    random = np.random.default_rng(1)
    for number in range(200):
        made = invent(number, random)
        for text in islice(lines(made, 0, "everyone", random), 3):
            own = re.findall(r"\d+", made.product.title)
            assert set(re.findall(r"\d+", text)) <= set(own), (text, made.product)


def test_titles_and_brands_hardly_repeat() -> None:
    random = np.random.default_rng(0)
    products = [invent(number, random).product for number in range(1000)]
    assert len({product.title for product in products}) > 800
    assert len({product.brand for product in products}) > 800


@pytest.mark.parametrize(
    ("one", "many", "infinitive"),
    [
        ("heats evenly", "heat evenly", "heat evenly"),
        ("is gone", "are gone", "be gone"),
        ("washes out and ^dries fast", "wash out and dry fast", "wash out and dry fast"),
        ("does not drip", "do not drip", "not drip"),
        ("never shouts", "never shout", "never shout"),
        ("keeps its edge", "keep their edge", "keep its edge"),
        ("has a view", "have a view", "have a view"),
        ("passes by", "pass by", "pass by"),
    ],
)
def test_verbs_agree(one: str, many: str, infinitive: str) -> None:
    assert verb(one, "one") == one.replace("^", "")
    assert verb(one, "many") == many
    assert verb(one, "infinitive") == infinitive
    assert marked("that ^holds", "many") == "that hold"


def test_values_are_shown_tersely_and_said_in_full() -> None:
    random = np.random.default_rng(0)
    shown, said = fact("{7-7} h >> {n} hours", random, {})
    assert (shown, said) == ("7 h", "7 hours")
    assert fact("{1-1} hours", random, {}) == ("1 hour", "1 hour")


def test_sentences_are_tidy() -> None:
    assert tidy("an end? yes.. a apple") == "An end? Yes. An apple"
    assert [article(noun) for noun in ("oak desk", "unicorn", "hour", "kettle")] == [
        "an oak desk",
        "a unicorn",
        "an hour",
        "a kettle",
    ]


def test_a_headline_says_what_its_story_says() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        story, head = headline(random)
        assert set(re.findall(r"\d+", head)) <= set(re.findall(r"\d+", story)), (story, head)


def test_taught_lines_are_added_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "taught.jsonl.gz"
    write_taught(path, [{"batch": 0, "prompt": "kettle =>", "text": "It sings."}])
    write_taught(path, [{"batch": 1}])
    assert read_taught(path) == [Line("kettle =>", "It sings.")]
    assert [row["batch"] for row in read_rows(path)] == [0, 1]
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert read_taught(path) == [Line("kettle =>", "It sings.")]
    assert Line("kettle =>", "It sings.") in corpus(2, 2, 0, read_taught(path))
    path.write_text("not compressed")
    with pytest.raises(InputError, match="not a compressed file"):
        read_taught(path)


def test_no_product_is_learned_from_and_held_out(small: list[Line]) -> None:
    learned, away = held_out(small, 0.1)
    assert away
    assert not {line.prompt.split(" | ")[0] for line in learned} & {line.prompt.split(" | ")[0] for line in away}
