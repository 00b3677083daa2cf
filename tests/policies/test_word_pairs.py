"""What was read is known for certain: words, and words side by side."""

import gzip

import pytest
from copybandit.policies.base.start import FOLDER
from copybandit.policies.writer.word_pairs import FILE, Unread, WordPairs, cut
from copybandit.simulation.data.errors import InputError

READ = WordPairs.of(["Meet the {{title}}."] * 3 + ["The {{title}} keeps its word."])


def test_words_placeholders_numbers_and_marks_are_cut():
    assert cut("Don't wait: 12 {{title}}-s!") == ["<s>", "don't", "wait", ":", "12", "{{title}}", "s", "!", "</s>"]
    assert cut("") == ["<s>", "</s>"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Meet the {{title}}.", Unread(0, 0, 0)),
        # <s> the, {{title}} keeps, keeps its, its word, word . were read once; the {{title}} and . </s> four times.
        ("The {{title}} keeps its word.", Unread(0, 0, 5)),
        # meet its and its {{title}} never; <s> meet, {{title}} . and . </s> often.
        ("Meet its {{title}}.", Unread(0, 2, 2)),
        # meetthe is no word: <s> meetthe and meetthe {{title}}.
        ("Meetthe {{title}}.", Unread(1, 2, 2)),
    ],
)
def test_unread_by_hand(text, expected):
    assert READ.unread(text) == expected


def test_own_words_are_known_and_their_pairs_are_not():
    assert READ.unread("Meet the oak.", frozenset(["oak"])) == Unread(0, 2, 2)


def test_what_is_saved_is_loaded_and_equal_counts_make_equal_files(tmp_path):
    assert WordPairs.load(tmp_path) is None
    READ.save(tmp_path)
    again = WordPairs.load(tmp_path)
    assert again is not None
    texts = ["The {{title}} keeps its word.", "Its word keeps the oak."]
    assert [again.unread(text) for text in texts] == [READ.unread(text) for text in texts]
    before = (tmp_path / FILE).read_bytes()
    again.save(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda _: gzip.compress(b"meet the\n"), lambda _: b""]
)
def test_a_torn_file_is_refused(tmp_path, damage):
    READ.save(tmp_path)
    path = tmp_path / FILE
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=FILE):
        WordPairs.load(tmp_path)


def test_the_base_comes_with_what_it_has_read():
    pairs = WordPairs.load(FOLDER)
    assert pairs is not None
    assert pairs.unread("Meet the {{title}}.") == Unread(0, 0, 0)
    assert pairs.unread("Good for photographers. Better onidwife.").words >= 1
