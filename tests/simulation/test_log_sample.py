"""Folders that outgrow memory, as calibration reads them: whole users, drawn by seed, and said."""

import numpy as np
import pandas as pd
import pytest
from copybandit.simulation.calibration.evidence import read_evidence
from copybandit.simulation.data import log_folder, log_sample
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.log_sample import sampled_log


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """4,000 rows of 400 users in two files and, beside them, in one."""
    monkeypatch.setattr(log_folder, "ROWS", 300)
    rng, visit = np.random.default_rng(0), np.arange(4000)
    table = pd.DataFrame(
        {
            "impression_id": visit,
            "timestamp": pd.Timestamp("2026-11-01", tz="UTC") + pd.to_timedelta(visit, unit="min"),
            "user_id": rng.integers(0, 400, 4000),
            "channel": "feed",
            "position": 0,
            "product_id": rng.choice(["k1", "k2"], 4000),
            "text": rng.choice(["a", "b", "c"], 4000),
            "clicked": (rng.random(4000) < 0.1).astype(int),
            "converted": 0,
        }
    )
    (tmp_path / "logs").mkdir()
    table[:1500].to_parquet(tmp_path / "logs" / "a.parquet")
    table[1500:].to_parquet(tmp_path / "logs" / "b.parquet")
    table.to_parquet(tmp_path / "one.parquet")
    return tmp_path


def test_a_folder_that_fits_is_read_as_one_file(logs):
    one, folder = (read_evidence(logs / name, None) for name in ("one.parquet", "logs"))
    assert one.notes == folder.notes and one.users == folder.users and one.catalog.ads == folder.catalog.ads
    for name in ("user", "position", "product", "text", "clicked", "hours", "converted"):
        assert np.array_equal(getattr(one, name), getattr(folder, name)), name


def test_one_that_does_not_is_a_sample_of_whole_users(logs, monkeypatch):
    monkeypatch.setattr(log_sample, "MOST_ROWS", 1200)
    without = ("propensity", "creative_id")
    all_rows = pd.read_parquet(logs / "one.parquet").user_id.astype(str).value_counts()
    frame, said = sampled_log(logs / "logs", without=without)
    rows = frame.user_id.value_counts()
    assert 600 < len(frame) <= 1200 and (rows == all_rows[rows.index]).all()
    assert said is not None and f"{4000 - len(frame):,} of 4,000 rows: the fit is to 25.000% of users" in said
    again, _ = sampled_log(logs / "logs", without=without)
    pd.testing.assert_frame_equal(frame, again)
    other, _ = sampled_log(logs / "logs", without=without, seed=1)
    assert set(other.user_id) != set(frame.user_id)
    assert said in read_evidence(logs / "logs", None).notes


def test_rows_that_are_left_out_are_checked_too(logs, monkeypatch, tiny_catalog):
    monkeypatch.setattr(log_sample, "MOST_ROWS", 10)
    table = pd.read_parquet(logs / "logs" / "a.parquet").assign(product_id="k1")
    table.to_parquet(logs / "logs" / "a.parquet")
    table.assign(impression_id=table.impression_id + 5000, product_id=["k1"] * 1400 + ["zz"] * 100).to_parquet(
        logs / "logs" / "b.parquet"
    )
    with pytest.raises(InputError, match=r"b.parquet: row 1402: product 'zz' is not in the catalog"):
        sampled_log(logs / "logs", tiny_catalog, without=("propensity", "creative_id"))


def test_segments_that_name_users_are_refused_in_a_folder_too(logs):
    for name in ("a", "b"):
        path = logs / "logs" / f"{name}.parquet"
        table = pd.read_parquet(path)
        table.assign(user_segment="of " + table.user_id.astype(str)).to_parquet(path)
    with pytest.raises(InputError, match=r"logs: column 'user_segment': \d+ of \d+ segments have one user each"):
        read_evidence(logs / "logs", None)


WITHOUT = ("creative_id", "propensity")


def test_a_world_that_has_other_channels(logs):
    with pytest.raises(InputError, match=r"a\.parquet: row 2: channel 'feed' is not in the world, which has search"):
        sampled_log(logs / "logs", without=WITHOUT, channels=["search"])
    assert len(sampled_log(logs / "logs", without=WITHOUT, channels=["feed"])[0]) == 4000
