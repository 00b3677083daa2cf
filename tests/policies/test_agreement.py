"""Verbs agree with the thing that a placeholder stands for."""

import pytest
from copybandit.policies.base.words_files import ADVERBS, words
from copybandit.policies.writer.agreement import COMMON, of_one, of_several
from copybandit.policies.writer.placeholders import filled

KETTLE = "electric kettle | - | - | everyone =>"
SHEARS = "Bypass Pruning Shears 21 cm | - | - | everyone =>"


@pytest.mark.parametrize(
    ("template", "of_a_kettle", "of_shears"),
    [
        ("tired? The {{title}} are.", "Tired? The electric kettle is.", "Tired? The Bypass Pruning Shears 21 cm are."),
        ("{{noun}} keep it up.", "Kettle keeps it up.", "Shears keep it up."),
        ("So good: the {{noun}} has a way.", "So good: the kettle has a way.", "So good: the shears have a way."),
        ("Take our {{noun}} that stays dry.", "Take our kettle that stays dry.", "Take our shears that stay dry."),
        ("So: {{noun}} that give more.", "So: kettle that gives more.", "So: shears that give more."),
        ("When the {{noun}} does not tell.", "When the kettle does not tell.", "When the shears do not tell."),
        # Said of somebody else, or no verb.
        ("Who own the {{noun}} are glad.", "Who own the kettle are glad.", "Who own the shears are glad."),
        ("The {{noun}} like no other.", "The kettle like no other.", "The shears like no other."),
        ("The {{noun}} across town.", "The kettle across town.", "The shears across town."),
    ],
)
def test_a_verb_agrees_with_what_it_is_said_of(template, of_a_kettle, of_shears):
    assert filled(template, KETTLE) == of_a_kettle
    assert filled(template, SHEARS) == of_shears


def test_forms_of_verbs():
    assert [of_one(verb) for verb in ("keep", "carry", "play", "reach", "do", "are", "lie")] == [
        *("keeps", "carries", "plays", "reaches", "does", "is", "lies")
    ]
    assert all(of_several(of_one(verb)) == verb for verb in COMMON)


def test_most_verbs_that_the_built_in_writer_was_taught_are_known():
    said = [phrase.split() for family in words("trades") for phrase in family.get("does") or ()]
    verbs = [next(word for word in phrase if word not in ADVERBS) for phrase in said]
    assert sum(of_several(verb) in COMMON for verb in verbs) > 0.9 * len(verbs)
