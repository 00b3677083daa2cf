from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from copybandit.simulation.archive.tests import FLAWED_WEEKS, plain_text, read_archive, shorten
from copybandit.simulation.data.errors import InputError

GENERIC = pd.DataFrame(
    {
        "test_id": ["a", "a", "a", "b", "b"],
        "text": ["One", "Two", "One", "Three", "Four"],
        "impressions": [100, 200, 50, 300, 400],
        "clicks": [1, 2, 3, 4, 5],
        "group": ["p", "p", "p", "p", "q"],
    }
)


@pytest.fixture
def save(tmp_path):
    def write(frame: pd.DataFrame, name: str = "archive.csv") -> Path:
        path = tmp_path / name
        frame.to_parquet(path, index=False) if name.endswith("parquet") else frame.to_csv(path, index=False)
        return path

    return write


@pytest.mark.parametrize("name", ["archive.csv", "archive.csv.gz", "archive.parquet"])
def test_same_texts_of_a_group_are_added_up(save, name):
    arms = read_archive(save(GENERIC, name)).arms
    assert len(arms) == 4
    one = arms[arms.text == "One"].iloc[0]
    assert (one.impressions, one.clicks) == (150, 4)


def test_contrasts_are_groups_of_two_texts_or_more(save):
    contrasts = read_archive(save(GENERIC)).contrasts
    assert sorted(contrasts.text) == ["One", "Two"]
    assert contrasts.group.tolist() == [0, 0]


def test_without_groups_a_test_is_one_group(save):
    contrasts = read_archive(save(GENERIC.drop(columns="group"))).contrasts
    assert sorted(contrasts.text) == ["Four", "One", "Three", "Two"]


def _upworthy() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clickability_test_id": ["t1", "t1", "t2", "t2", "t3", "t3"],
            "headline": ["A &amp; B", "C", "D", "E", "F", "G"],
            "excerpt": ["x", "x", "Why <i>so</i>?", "", "x", "x"],
            "lede": ["<p>About <b>us</b>.</p><p>More.</p>"] * 2 + [None, None, "L", "L"],
            "eyecatcher_id": ["e", "e", None, None, "e", "e"],
            "impressions": [100] * 6,
            "clicks": [1, 2] * 3,
            "test_week": [201301, 201301, 201403, 201403, FLAWED_WEEKS[0], FLAWED_WEEKS[1]],
        }
    )


def test_upworthy_columns_are_read_as_published(save):
    archive = read_archive(save(_upworthy()))
    assert sorted(archive.arms.test_id.unique()) == ["t1", "t2"]
    assert archive.notes == ("1 tests of the weeks with flawed randomisation",)
    about = archive.arms.groupby("test_id").about.first()
    assert about["t1"] == "About us. More."
    assert about["t2"] == "Why so?"
    assert "A & B" in set(archive.arms.text)
    assert len(archive.contrasts) == 4


def test_upworthy_needs_no_more_than_its_counts(save):
    frame = _upworthy()[["clickability_test_id", "headline", "impressions", "clicks"]]
    assert len(read_archive(save(frame))) == 3


def _with(column: str, value: object, row: int = 2) -> pd.DataFrame:
    frame = GENERIC.astype({column: object})
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (GENERIC.drop(columns="clicks"), "column 'clicks' is missing"),
        (GENERIC.drop(columns="test_id"), "column 'test_id' is missing"),
        (_upworthy().drop(columns="headline"), "column 'headline' is missing"),
        (_with("clicks", 51), "row 4: 51 clicks of 50 impressions"),
        (_with("clicks", -1), "row 4, column 'clicks'"),
        (_with("impressions", 1.5), "row 4, column 'impressions'"),
        (_with("impressions", "many"), "row 4, column 'impressions'"),
        (_with("text", "  "), "row 4, column 'text'"),
        (_with("text", None), "row 4, column 'text'"),
        (_with("test_id", None), "row 4, column 'test_id'"),
        (GENERIC[GENERIC.text == "One"], "no test has two texts in one group"),
        (_upworthy().iloc[4:], "1 tests of the weeks with flawed randomisation"),
        (GENERIC.iloc[:0], "no rows"),
    ],
)
def test_bad_archives_are_refused_in_one_line(save, frame, message):
    path = save(frame)
    with pytest.raises(InputError) as error:
        read_archive(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_variants_never_shown_are_left_out_and_counted(save):
    frame = _with("impressions", 0, row=3)
    frame.loc[3, "clicks"] = 0
    archive = read_archive(save(frame))
    assert "Three" not in set(archive.arms.text)
    # What is left of its test is no test.
    assert archive.notes == ("1 variants that were never shown", "1 test of one text ('b')")


def _many(rng: np.random.Generator) -> pd.DataFrame:
    rows = [(f"t{i}", f"text {rng.integers(60)}", f"story {i % 50}") for i in range(80) for _ in range(3)]
    clicks = [1 + i % 5 for i in range(len(rows))]
    return pd.DataFrame(rows, columns=["test_id", "text", "about"]).assign(impressions=100, clicks=clicks)


def test_parts_share_no_test_text_or_story(save, rng):
    frame = _many(rng)
    frame.loc[frame.test_id > "t4", "text"] += " " + frame.test_id
    archive = read_archive(save(frame))
    parts = archive.split((0.5, 0.3, 0.2), seed=1)
    assert sum(len(part) for part in parts) == len(archive)
    for column in ("test_id", "text", "about"):
        seen = [set(part.arms[column]) for part in parts]
        assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_a_split_by_test_keeps_tests_whole_and_may_share_texts(save):
    twins = [GENERIC.iloc[:2].assign(test_id=name, clicks=[1, 5]) for name in "abcdefgh"]
    archive = read_archive(save(pd.concat(twins)))
    with pytest.raises(InputError, match="1 tests that share no text are too few"):
        archive.split((1, 1), seed=0)
    first, second = archive.split((1, 1), seed=0, by="test")
    assert set(first.arms.test_id) | set(second.arms.test_id) == set("abcdefgh")
    assert not set(first.arms.test_id) & set(second.arms.test_id)
    assert set(first.arms.text) == set(second.arms.text)
    with pytest.raises(InputError, match=r": 8 tests are too few for 9 parts"):
        archive.split([1] * 9, seed=0, by="test")


def test_split_is_drawn_by_the_seed(save, rng):
    frame = _many(rng).assign(text=lambda table: table.text + table.about)
    archive = read_archive(save(frame))
    first, again, other = (set(archive.split((1, 1), seed=seed)[0].arms.test_id) for seed in (0, 0, 1))
    assert first == again != other


def test_too_few_stories_for_the_parts(save):
    with pytest.raises(InputError, match="too few for 3 parts"):
        read_archive(save(GENERIC)).split((1, 1, 1), seed=0)


def test_a_test_is_a_product_and_its_texts_are_creatives(save):
    archive = read_archive(save(_upworthy()))
    first = archive.products()[0]
    assert (first.product_id, first.title, first.category) == ("t1", "About us. More.", "news")
    assert {(c.product_id, c.text) for c in archive.creatives()} >= {("t1", "A & B"), ("t2", "E")}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<p>One</p><p>two &amp; three</p>", "One two & three"),
        ('a <a href="x">link</a>, here', "a link, here"),
        ("I <3 this > that", "I <3 this > that"),
        ("  \n ", ""),
    ],
)
def test_plain_text(text, plain):
    assert plain_text(text) == plain


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("short", "short"),
        ("A first sentence. And then some more", "A first sentence."),
        ('He said "no!" And then some more', 'He said "no!"'),
        ("no sentence ends in here at all", "no sentence ends in"),
        ("Oh. But no sentence ends in here", "Oh. But no sentence"),
        ("x" * 30, "x" * 20),
    ],
)
def test_shorten_cuts_at_a_sentence_or_a_word(text, short):
    assert shorten(text, 20) == short


def test_the_real_archive(shared_data):
    archive = read_archive(shared_data / "upworthy" / "packages.csv.gz")
    assert len(archive) == 3860 - 832
    assert archive.arms.about.str.contains("<p>").sum() == 0
    learn, gold, judged = archive.split((0.45, 0.45, 0.1), seed=0)
    assert min(map(len, (learn, gold))) > 1200
    assert not set(learn.arms.text.str.lower()) & set(gold.arms.text.str.lower())
    assert max(len(product.title) for product in judged.products()) <= 80


def test_what_no_one_says_a_test_is_about_one_of_its_texts_does(tmp_path):
    path = tmp_path / "tests.csv"
    path.write_text(
        "test_id,text,impressions,clicks\na,One way,100,4\na,Another way,100,2\nb,Bees,90,1\nb,Wasps,90,3\n"
    )
    assert [product.title for product in read_archive(path).products()] == ["Another way", "Bees"]
