"""Logs in folders: the same rows as one file holds, in batches of any size, and what is refused with file and row."""

import numpy as np
import pandas as pd
import pytest
from copybandit.simulation.data import log_folder, repeated
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.log_folder import read_log_folder
from copybandit.simulation.data.log_format import read_log

N = 40


@pytest.fixture
def table() -> pd.DataFrame:
    """40 impressions of three slots."""
    impression = np.repeat(np.arange(N), 3)
    return pd.DataFrame(
        {
            "impression_id": [f"i{i}" for i in impression],
            "timestamp": pd.Timestamp("2026-11-01", tz="UTC") + pd.to_timedelta(impression, unit="min"),
            "user_id": impression % 7,
            "channel": np.where(impression % 2, "feed", "search"),
            "position": np.tile(np.arange(3), N),
            "product_id": "k1",
            "creative_id": np.arange(3 * N) % 5,
            "text": "words",
            "propensity": 0.2,
            "clicked": impression % 3 == 0,
            "user_age": np.where(impression == 4, np.nan, impression % 50),
        }
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Writes tables as files of a folder, which are read a few rows at a time."""
    monkeypatch.setattr(log_folder, "ROWS", 7)

    def write(*tables: pd.DataFrame, names: tuple[str, ...] = ()) -> str:
        for i, table in enumerate(tables):
            path = tmp_path / "logs" / (names[i] if names else f"part-{i}.parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            table.to_parquet(path, index=False, row_group_size=10)
        return tmp_path / "logs"

    return write


def read(path, **options) -> pd.DataFrame:
    return pd.concat([frame for _, frame in read_log_folder(path, **options)], ignore_index=True)


def test_a_folder_holds_what_its_files_hold(folder, table, tmp_path):
    table.to_parquet(tmp_path / "one.parquet")
    whole = read_log(tmp_path / "one.parquet")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "_SUCCESS").touch()
    found = read(folder(table[:30], table[30:]))
    pd.testing.assert_frame_equal(found[list(whole)], whole.reset_index(drop=True), check_dtype=False)


def test_folders_tell_columns(folder, table):
    names = ("channel=search/a.parquet", "channel=a%20b/a.parquet")
    path = folder(*(table[:30].drop(columns="channel"), table[30:].drop(columns="channel")), names=names)
    assert read(path).channel.value_counts().to_dict() == {"search": 30, "a b": 90}


def test_times_of_text_and_positions_from_one(folder, table):
    written = table.assign(position=table.position + 1, timestamp=table.timestamp.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    found = read(folder(written[:60], written[60:]))
    assert found.position.tolist() == table.position.tolist()
    assert (found.timestamp == table.timestamp).all()


def test_rows_of_an_impression_may_come_in_any_order(folder, table):
    mixed = table.iloc[np.arange(3 * N).reshape(N, 3)[:, [2, 0, 1]].ravel()]
    assert read(folder(mixed)).position.tolist() == table.position.tolist()


def test_batches_end_with_impressions(folder, table):
    sizes = [frame.groupby("impression_id").size() for _, frame in read_log_folder(folder(table[:60], table[60:]))]
    assert len(sizes) > 10 and all((size == 3).all() for size in sizes)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda f: f.assign(clicked=[2.0, *[0.0] * 119]),
            r"part-0.parquet: row 2, column 'clicked': 2.0 is not 0 or 1",
        ),
        (
            lambda f: f.assign(propensity=np.where(np.arange(120) == 100, 1.5, 0.2)),
            r"part-1.parquet: row 42, column 'propensity': 1.5 is not in \(0, 1\]",
        ),
        (lambda f: f.drop(index=100), r"part-1.parquet: .* row 42: impression 'i33' has position 2 and none of 1"),
        (
            lambda f: f.assign(impression_id=f.impression_id.where(f.impression_id != "i30", "i2")),
            r"part-1.parquet: row 32: impression 'i2' has rows in .*part-0.parquet from row 8 on, and again here",
        ),
        (
            lambda f: f.assign(impression_id=f.impression_id.where(f.impression_id != "i31", "i29")),
            r"part-1.parquet: row 35: impression 'i29' has rows in .*part-1.parquet from row 29 on",
        ),
        (
            lambda f: f.assign(user_id=np.where(np.arange(120) == 64, 99, f.user_id)),
            r"part-1.parquet: row 6: impression 'i21' has another user_id than in the slot above",
        ),
        (
            lambda f: f.assign(position=np.where(np.arange(120) > 59, f.position + 1, f.position)),
            r"part-1.parquet: .*row 4: impression 'i20' has position 3 and none of 0",
        ),
        (lambda f: f.assign(converted=1), r"part-0.parquet: row 5: converted without a click"),
        (
            lambda f: f.assign(clicked="yes"),
            r"part-0.parquet: column 'clicked' holds texts; in a folder's files numbers",
        ),
        (
            lambda f: f.assign(timestamp="27.11.2026"),
            r"part-0.parquet: row 2, .*'27.11.2026' is not a time of a folder's",
        ),
        (lambda f: f.assign(user_id=f.user_id + 0.5), r"part-0.parquet: row 2, column 'user_id': 0.5 is no name"),
        (lambda f: f.drop(columns="creative_id"), r"part-0.parquet: column 'creative_id' is missing"),
        (lambda f: f.assign(user_age=[np.inf, *f.user_age[1:]]), r"row 2: column 'user_age' is infinite"),
    ],
)
def test_what_is_refused(folder, table, change, expected):
    changed = change(table)
    with pytest.raises(InputError, match=expected):
        read(folder(changed[changed.index < 60], changed[changed.index >= 60]))


def test_an_impression_is_in_one_file(folder, table):
    # Cut after two of three slots: what is left of it in the other file begins in the middle.
    with pytest.raises(InputError, match=r"part-1.parquet: .*side by side in one file: row 2: impression 'i19'"):
        read(folder(table[:59], table[59:]))
    # All of it is in both.
    with pytest.raises(
        InputError, match=r"part-1.parquet: row 2: impression 'i19' has rows in .*part-0.parquet from row 59"
    ):
        read(folder(table[:60], table[57:]))


def test_files_are_alike(folder, table):
    with pytest.raises(InputError, match=r"part-1.parquet: column 'user_age' is missing, which .*part-0.parquet has"):
        read(folder(table[:60], table[60:].drop(columns="user_age")))
    with pytest.raises(InputError, match=r"part-1.parquet: column 'user_age' holds a text, in others a number"):
        read(folder(table[:60], table[60:].assign(user_age="old")))
    nothing = table[60:].assign(user_age=None)
    assert read(folder(table[:60], nothing)).user_age.isna().sum() == 63


def test_no_folder_of_a_log(tmp_path, folder, table):
    with pytest.raises(InputError, match="no Parquet files in it"):
        read(tmp_path)
    path = folder(table)
    (path / "notes.txt").write_text("what I did")
    with pytest.raises(InputError, match=r"notes.txt: not Parquet"):
        read(path)
    (path / "notes.txt").unlink()
    whole = (path / "part-0.parquet").read_bytes()
    (path / "part-0.parquet").write_bytes(whole[:200] + bytes(200) + whole[400:])
    with pytest.raises(InputError, match=r"part-0.parquet: "):
        read(path)


def test_repeated_names_are_found_a_part_at_a_time(monkeypatch):
    monkeypatch.setattr(repeated, "AT_ONCE", 10)
    names = pd.Series([f"i{i}" for i in range(100)])
    seen = repeated.Repeated()
    seen.see(names[:60])
    seen.see(names[60:])
    assert not seen.suspects().size
    seen.see(pd.Series(["i7", "i93", "new"]))
    assert set(seen.suspects()) == set(repeated.hashed(pd.Series(["i7", "i93"])))
