"""Archives of real A/B tests: reading them, and cutting them into parts that share nothing.

A test shows variants to visitors at random. Variants of one test that differ in text alone (the same picture) form a
group: only within a group do click rates say what a text does. The Upworthy Research Archive is read as published
(Matias et al., Scientific Data 8:195, 2021): <test, picture, headline>, with the lede for what the headline is about.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..data.catalog import Creative, Product
from ..data.columns import read_here, refuse_unmet
from ..data.errors import InputError, understood
from ..data.tables import finite, not_blank, read_table, whole

FLAWED_WEEKS = (201326, 201402)
"""First and last week, year and number, of the Upworthy tests whose randomisation its authors found flawed."""

TITLE_LENGTH = 80
"""Most characters of what a text is about that a writer is shown; every token of a prompt costs time at every step."""

_count = [finite, whole, pa.Check.ge(0, error="a count of zero or more")]
_optional_text: dict[str, Any] = {"required": False, "nullable": True, "coerce": True}

ARCHIVE_SCHEMA = pa.DataFrameSchema(
    {
        "test_id": pa.Column(str, not_blank, coerce=True),
        "text": pa.Column(str, not_blank, coerce=True),
        "impressions": pa.Column(float, _count, coerce=True),
        "clicks": pa.Column(float, _count, coerce=True),
        "group": pa.Column(str, **_optional_text),
        "about": pa.Column(str, **_optional_text),
    },
    strict=False,
)
"""The generic format, one row a variant. `group`: what else but the text was shown; `about`: what the text is for."""

UPWORTHY_SCHEMA = pa.DataFrameSchema(
    {
        "clickability_test_id": pa.Column(str, not_blank, coerce=True),
        "headline": pa.Column(str, not_blank, coerce=True),
        "impressions": pa.Column(float, _count, coerce=True),
        "clicks": pa.Column(float, _count, coerce=True),
        "eyecatcher_id": pa.Column(str, **_optional_text),
        "lede": pa.Column(str, **_optional_text),
        "excerpt": pa.Column(str, **_optional_text),
        "test_week": pa.Column(float, required=False, nullable=True, coerce=True),
    },
    strict=False,
)
UPWORTHY = "the Upworthy Research Archive (Matias et al., Scientific Data 8:195, 2021), CC BY 4.0"
SplitBy = Literal["story", "test"]


@dataclass(frozen=True)
class Archive:
    """Variants of A/B tests."""

    arms: pd.DataFrame
    """One row a text of a group: `test_id, group` (a number, unique over tests), `text, about, impressions, clicks`,
    `rows` (as many of the file were added up) and `story` (a number: tests are of one story if they share a text or
    what it is about)."""
    notes: tuple[str, ...] = ()
    """What was left out on reading, a line a reason."""
    name: str = "the archive"
    """Of the file, for messages."""
    source: str = "an archive of A/B tests"
    """Where it is from, for what is learned from it."""

    def __len__(self) -> int:
        return self.arms.test_id.nunique()

    @property
    def contrasts(self) -> pd.DataFrame:
        """Arms of groups with two texts or more, groups numbered from 0: all that tells texts apart."""
        texts = self.arms.groupby("group").text.transform("size")
        arms = self.arms[texts > 1].reset_index(drop=True)
        return arms.assign(group=pd.factorize(arms.group)[0])

    def split(self, shares: Sequence[float], seed: int, by: SplitBy = "story") -> list["Archive"]:
        """Parts with about these shares of the stories; no test, text or story is in two parts.

        Args:
            shares: of the parts; need not add up to one.
            seed: draws the parts.
            by: `test` keeps only tests whole: a text that was tested twice may be in two parts.

        Raises:
            InputError: too few stories or tests for every part to get one.
        """
        units = pd.factorize(self.arms.story if by == "story" else self.arms.test_id)[0]
        count = int(units.max()) + 1
        bounds = np.round(np.cumsum(shares) / np.sum(shares) * count).astype(int)
        if (np.diff(bounds, prepend=0) < 1).any():
            what = f"{count} tests that share no text" if by == "story" else f"{count} tests"
            raise InputError(f"{self.name}: {what} are too few for {len(shares)} parts; bring more tests")
        place = np.random.default_rng(seed).permutation(count)
        part = np.searchsorted(bounds, place[units], side="right")
        return [Archive(self.arms[part == i].reset_index(drop=True), name=self.name) for i in range(len(shares))]

    def check_tells(self, what: str) -> None:
        """Refuses an archive from which nothing can be learned of texts.

        Args:
            what: it is called in the message, such as the part that is held out.

        Raises:
            InputError: no two texts of a group differ in click rate.
        """
        arms = self.contrasts
        if (arms.clicks / arms.impressions).groupby(arms.group).nunique().max() > 1:
            return
        clicks, shown = self.arms[["clicks", "impressions"]].sum()
        raise InputError(
            f"{self.name}: in {what} no two texts of a test differ in click rate ({clicks:,.0f} clicks of {shown:,.0f} "
            "impressions), which tells nothing of texts; bring more tests, or tests with more clicks"
        )

    def products(self) -> list[Product]:
        """A product a test: what its texts are about, cut to `TITLE_LENGTH` for the title; price 0.

        Where the archive does not say what a test is about, the first of its texts in the alphabet does.
        """
        tests = self.arms.groupby("test_id", sort=False)
        about = tests.about.agg(_first_filled)
        about = about.where(about != "", tests.text.first())
        return [
            Product(str(test), shorten(text, TITLE_LENGTH), "news", 0.0, description=text)
            for test, text in about.items()
        ]

    def creatives(self) -> list[Creative]:
        """The texts of every test, each once."""
        texts = self.arms.drop_duplicates(["test_id", "text"])
        return [Creative(test, text) for test, text in zip(texts.test_id, texts.text, strict=True)]


def read_archive(path: str | Path, columns: Mapping[str, str] | None = None) -> Archive:
    """Reads an archive in Upworthy's columns or in the generic format, see `read_table`.

    Rows of the same text in a group are added up. Tests in Upworthy's flawed weeks, tests of one row
    and variants that nobody was shown are left out, and `notes` says how many.

    Args:
        path: the file.
        columns: its names of columns by our own, where they differ.

    Raises:
        InputError: see `read_table`; also clicks above impressions, or no two texts to compare in any group.
    """
    columns = read_here(columns or {}, [*ARCHIVE_SCHEMA.columns, *UPWORTHY_SCHEMA.columns])
    frame, notes = read_table(path, (ARCHIVE_SCHEMA, UPWORTHY_SCHEMA), "A/B archive", columns), []
    refuse_unmet(columns, path)
    source = Path(path).name
    if "test_id" not in frame:
        frame, notes = _from_upworthy(frame)
        source = UPWORTHY
    wrong = frame.index[frame.clicks > frame.impressions]
    if len(wrong):
        row = frame.loc[wrong[0]]
        raise InputError(
            f"{path}: row {wrong[0] + 2}: {row.clicks:.0f} clicks of {row.impressions:.0f} impressions; correct the row"
        )
    unseen = frame.impressions == 0
    if unseen.any():
        notes.append(f"{unseen.sum():,} variants that were never shown")
    arms, alone = _without_single(_merge(frame[~unseen]))
    if len(alone):
        few = ", ".join(f"'{name}'" for name in alone[:3]) + (", ..." if len(alone) > 3 else "")
        notes.append(f"{len(alone):,} test{'s' * (len(alone) > 1)} of one text ({few})")
    archive = Archive(arms, tuple(notes), str(path), source)
    if archive.contrasts.empty:
        why = f" (left out: {'; '.join(notes)})" if notes else ""
        raise InputError(f"{path}: no test has two texts in one group{why}; bring tests that differ in text alone")
    if notes:
        understood.info("%s: left out: %s", Path(path).name, "; ".join(notes))
    archive.check_tells("the archive")
    return archive


def _without_single(arms: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Arms of tests that tested something, and the tests of one row: no test at all."""
    single = arms.groupby("test_id").rows.transform("sum") == 1
    return arms[~single].reset_index(drop=True), arms.test_id[single].tolist()


def _from_upworthy(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    blank = pd.Series("", index=frame.index)
    lede, excerpt = (frame.get(name, blank).fillna("").map(plain_text) for name in ("lede", "excerpt"))
    generic = pd.DataFrame(
        {
            "test_id": frame.clickability_test_id,
            "text": frame.headline,
            "group": frame.get("eyecatcher_id", blank),
            "about": lede.where(lede != "", excerpt),
            "impressions": frame.impressions,
            "clicks": frame.clicks,
        }
    )
    flawed = frame.get("test_week", blank.map(lambda _: 0)).between(*FLAWED_WEEKS)
    tests = generic.test_id[flawed].nunique()
    notes = [f"{tests:,} tests of the weeks with flawed randomisation"] if tests else []
    return generic[~flawed], notes


def _merge(frame: pd.DataFrame) -> pd.DataFrame:
    blank = pd.Series("", index=frame.index)
    frame = frame.assign(
        text=frame.text.map(plain_text),
        group=frame.get("group", blank).fillna(""),
        about=frame.get("about", blank).fillna("").map(plain_text),
    )
    arms = frame.groupby(["test_id", "group", "text"], sort=True, as_index=False).agg(
        about=("about", _first_filled),
        impressions=("impressions", "sum"),
        clicks=("clicks", "sum"),
        rows=("clicks", "size"),
    )
    return arms.assign(group=arms.groupby(["test_id", "group"]).ngroup(), story=_stories(arms))


def _stories(arms: pd.DataFrame) -> NDArray[np.int64]:
    """Connected components of arms that share a test, a text, or what they are about."""
    keys = [pd.factorize(column)[0] for column in (arms.test_id, arms.text.str.lower(), arms.about.str.lower())]
    keys[2] = np.where(arms.about == "", -1, keys[2])
    edges, nodes = [], len(arms)
    for key in keys:
        edges.append(np.stack([np.arange(len(arms)), nodes + key])[:, key >= 0])
        nodes += int(key.max(initial=0)) + 1
    ends = np.concatenate(edges, axis=1)
    graph = coo_matrix((np.ones(ends.shape[1]), ends), shape=(nodes, nodes))
    return pd.factorize(connected_components(graph, directed=False)[1][: len(arms)])[0]


def _first_filled(texts: pd.Series) -> str:
    return next((text for text in texts if text), "")


def plain_text(text: str) -> str:
    """A text without HTML tags, entities and runs of white space."""
    text = re.sub(r"</?(?:p|br|div|li|ul|ol|h\d|blockquote)\b[^<>]*>", " ", text, flags=re.IGNORECASE)
    return " ".join(html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", "", text)).split())


def shorten(text: str, length: int) -> str:
    """The first `length` characters at most, cut after a sentence or else a word, where there is one."""
    if len(text) <= length:
        return text
    start = text[: length + 1]
    sentence = max((found.end() for found in re.finditer(r"[.!?…]+[\"'”’)]*(?= )", start)), default=0)
    if sentence > length // 3:
        return start[:sentence]
    return start[: start.rfind(" ")] if " " in start else text[:length]
