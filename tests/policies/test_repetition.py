import numpy as np
import pytest
from copybandit.policies.writer.repetition import longest_run, look_alikes, repeated_share, words_of


def test_words_by_hand():
    assert words_of("It's a 1,299.50 pan, SEASONED!") == ("it's", "a", "1,299.50", "pan", "seasoned")


@pytest.mark.parametrize(
    ("texts", "lines", "share"),
    [
        (["A pan, seasoned!", "A pan.", "b", "seasoned a pan"], ["a pan seasoned"], 0.25),
        (["a", "a"], ["a"], 1.0),
        ([], ["a"], 0.0),
    ],
)
def test_repeated_share_by_hand(texts, lines, share):
    assert repeated_share(texts, lines) == share


@pytest.mark.parametrize(
    ("texts", "lines", "run"),
    [
        (["One pan for every stove"], ["a pan for every day", "every stove"], ("pan", "for", "every")),
        (["one", "two"], ["three"], ()),
        (["a b c d"], ["a b", "c d"], ("a", "b")),  # no run goes over the end of a line
        (["x", "Ask for code 4 8 1."], ["Ask for code 4 8 1"], ("ask", "for", "code", "4", "8", "1")),
    ],
)
def test_longest_run_by_hand(texts, lines, run):
    assert longest_run(texts, lines) == run


def test_look_alikes_differ_in_the_part_alone():
    line, part = "Ask Ann-1 or call 030 1234567 in 2024.", "030 1234567"
    made = look_alikes(line, part, 200, np.random.default_rng(0))
    assert len(made) == 200 and line not in made
    assert all(one.startswith("Ask Ann-1 or call ") and one.endswith(" in 2024.") for one in made)
    codes = [one.removeprefix("Ask Ann-1 or call ").removesuffix(" in 2024.") for one in made]
    assert all(len(code) == 11 and code[3] == " " and code.replace(" ", "").isdigit() for code in codes)
    assert {code[0] for code in codes} == set("0123456789")
    (other,) = look_alikes("Xa9@b", "Xa9@b", 1, np.random.default_rng(0))
    assert other[0].isupper() and other[1].islower() and other[2].isdigit() and other[3] == "@"
