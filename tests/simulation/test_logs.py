import pandas as pd
import pytest
import torch
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.log_format import read_log
from copybandit.simulation.logs import count_log, count_uniform, log_frame, stream_uniform, uniform_slates

ROW = {
    "impression_id": "1",
    "timestamp": "2024-01-01T00:00:00Z",
    "user_id": "u",
    "channel": "feed",
    "position": "0",
    "product_id": "007",
    "creative_id": "c",
    "text": "Hello",
    "propensity": "0.5",
    "clicked": "1",
    "converted": "0",
}


@pytest.fixture
def write(tmp_path):
    def log(*rows: dict[str, str]):
        path = tmp_path / "log.csv"
        pd.DataFrame([ROW | row for row in rows]).to_csv(path, index=False)
        return path

    return log


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"clicked": "0", "converted": "1"}, "row 3: converted without a click; correct the row"),
        ({"propensity": "0"}, r"row 3, column 'propensity': 0.0 is not in \(0, 1\]"),
        ({"propensity": "1.2"}, "row 3, column 'propensity'"),
        ({"propensity": ""}, "row 3, column 'propensity': the cell is empty"),
        ({"clicked": "0.5"}, "row 3, column 'clicked': 0.5 is not 0 or 1"),
        ({"clicked": "yes"}, "row 3, column 'clicked': 'yes' is not a number"),
        ({"clicked": ""}, "row 3, column 'clicked': the cell is empty"),
        ({"position": "-1"}, "row 3, column 'position': -1.0 is not a position of zero or more"),
        ({"position": "1.5"}, "row 3, column 'position': 1.5 is not a whole number"),
        ({"text": " "}, "row 3, column 'text'"),
        ({"user_id": ""}, "row 3, column 'user_id': the cell is empty"),
        ({"impression_id": "1"}, "row 3: impression '1' has position 0 a second time; keep one row"),
    ],
)
def test_bad_rows_are_named(write, change, expected):
    with pytest.raises(InputError, match=expected):
        read_log(write({}, {"impression_id": "2"} | change))


def test_a_product_that_the_catalog_lacks(write, tiny_catalog):
    with pytest.raises(InputError, match=r"log.csv: row 3: product 'zz' is not in the catalog; add it there"):
        read_log(write({"product_id": "k1"}, {"impression_id": "2", "product_id": "zz"}), tiny_catalog)


def test_ids_are_read_as_they_stand_and_flags_as_whole_numbers(write):
    frame = read_log(write({}, {"impression_id": "2", "text": "100", "clicked": "1.0"}))
    assert frame.product_id.tolist() == ["007", "007"]
    assert frame.text.tolist() == ["Hello", "100"]
    assert frame.clicked.dtype.kind == frame.position.dtype.kind == frame.converted.dtype.kind == "i"


def test_count_log_by_hand(write):
    shown = [
        {"impression_id": "2", "clicked": "0"},
        {"impression_id": "3", "converted": "1"},
        {"impression_id": "4", "clicked": "0"},
        {"impression_id": "4", "position": "1"},
        {"impression_id": "5", "text": "Bye", "channel": "search"},
    ]
    counts = count_log(read_log(write({}, *shown)))
    assert set(cells(counts)) == {
        ("007", "Bye", "everyone", "search", 0, 1, 1, 0),
        ("007", "Hello", "everyone", "feed", 0, 4, 2, 1),
        ("007", "Hello", "everyone", "feed", 1, 1, 1, 0),
    }


def test_a_log_without_conversions(write, tmp_path):
    frame = read_log(write({})).drop(columns="converted")
    assert count_log(frame).conversions.tolist() == [0.0]


def cells(counts) -> list[tuple]:
    columns = (counts.creative, counts.segment, counts.channel, counts.position)
    sums = (counts.impressions, counts.clicks, counts.conversions)
    return [
        (counts.creatives[c].product_id, counts.creatives[c].text, counts.segments[s], counts.channels[h], p, *total)
        for c, s, h, p, *total in zip(*(x.tolist() for x in columns + sums), strict=True)
    ]


def test_what_is_written_is_read_back_and_counted_the_same(make_tiny_world, tmp_path):
    straight, logged = make_tiny_world(), make_tiny_world()
    ads = straight.catalog.ads
    counts = count_uniform(straight, ads, 600, torch.Generator().manual_seed(5))
    path = tmp_path / "log.csv"
    candidates, first = logged.publish(ads), 0
    for feedback in stream_uniform(logged, candidates, 600, torch.Generator().manual_seed(5), batch=600):
        frame = log_frame(logged, feedback, torch.full((600, 2), 1 / 12), first)
        first += 600
    frame.to_csv(path, index=False)
    read = read_log(path, logged.catalog)
    assert sorted(cells(count_log(read))) == sorted(cells(counts))
    assert pd.to_datetime(read.timestamp, format="ISO8601").diff().max() == pd.Timedelta(hours=1 / 100)
    assert (read.conversion_delay_s.notna() == (read.converted == 1)).all()
    assert counts.impressions.sum() == 1200


def test_uniform_slates_are_uniform_and_without_repeats(generator):
    slates = uniform_slates(20_000, torch.tensor([3, 5, 7, 9]), 2, generator)
    assert (slates[:, 0] != slates[:, 1]).all()
    for slot in range(2):
        share = torch.bincount(slates[:, slot], minlength=10)[[3, 5, 7, 9]] / 20_000
        torch.testing.assert_close(share, torch.full((4,), 0.25), atol=0.015, rtol=0)


def test_too_few_creatives_for_a_slate(tiny_world, generator):
    with pytest.raises(InputError, match="1 creatives do not fill a slate of 2 slots; give at least 2"):
        count_uniform(tiny_world, [Creative("k1", "alone")], 10, generator)


def test_uniform_slates_are_uniform_over_ordered_slates(generator):
    slates = uniform_slates(60_000, torch.tensor([5, 6, 7, 8]), 3, generator)
    kinds, counts = slates.unique(dim=0, return_counts=True)
    assert len(kinds) == 24
    assert (counts / 60_000 - 1 / 24).abs().max() < 0.005


def slates(*positions: int, **columns: list[str]) -> list[dict[str, str]]:
    """Two impressions with these positions."""
    return [
        {"impression_id": name, "position": str(position)} | {key: values[i] for key, values in columns.items()}
        for name in "12"
        for i, position in enumerate(positions)
    ]


def test_positions_from_one_on_are_taken_as_such_for_the_whole_file(write, caplog):
    with caplog.at_level("INFO"):
        frame = read_log(write(*slates(1, 2, 3)))
    assert frame.position.tolist() == [0, 1, 2] * 2
    assert "positions from 1 on" in caplog.text
    assert read_log(write(*slates(1))).position.tolist() == [0, 0]
    assert read_log(write(*slates(0, 1, 2))).position.tolist() == [0, 1, 2] * 2
    # Counted from 0 in one impression, from 1 in the other: one of them lacks a slot.
    with pytest.raises(InputError, match="row 5: impression '2' has position 2 and none of 0"):
        read_log(write(*slates(0, 1)[:2], *slates(1, 2)[2:]))


@pytest.mark.parametrize("positions", [(0, 2), (2, 3), (1, 3)])
def test_no_slot_is_made_up(write, positions):
    with pytest.raises(InputError, match=r"row \d: impression '1' has position \d and none of \d, counted from 0"):
        read_log(write(*slates(*positions)))


def test_an_impression_is_one_user_in_one_channel_down_the_slots(write):
    later = ["2026-11-27 12:00", "2026-11-27 12:01"]
    assert len(read_log(write(*slates(0, 1, timestamp=later)))) == 4
    with pytest.raises(InputError, match="row 3: time runs backwards in impression '1': slot 1 is earlier than the sl"):
        read_log(write(*slates(0, 1, timestamp=later[::-1])))
    with pytest.raises(InputError, match="row 3: impression '1' has channel 'b' here and 'a' in the slot above"):
        read_log(write(*slates(0, 1, channel=["a", "b"])))


def test_times_are_in_utc_however_they_are_written(write):
    frame = read_log(write(*slates(0, 1, timestamp=["27.11.2026 12:00"] * 2)))
    assert frame.timestamp.tolist() == [pd.Timestamp("2026-11-27T12:00Z")] * 4


def test_what_is_not_needed_may_be_missing_and_what_is_there_must_be_right(write, tmp_path):
    path = write({"propensity": ""}, {"impression_id": "2"})
    assert read_log(path, without=["propensity"]).propensity.isna().tolist() == [True, False]
    pd.read_csv(path).drop(columns="propensity").to_csv(path, index=False)
    assert "propensity" not in read_log(path, without=["propensity"])
    with pytest.raises(InputError, match="column 'propensity' is missing"):
        read_log(path)
    with pytest.raises(InputError, match=r"row 3, column 'propensity': 1.5 is not in \(0, 1\]"):
        read_log(write({}, {"impression_id": "2", "propensity": "1.5"}), without=["propensity"])


def test_channels_of_the_world(write):
    assert len(read_log(write({}), channels=["feed"])) == 1
    with pytest.raises(InputError, match="row 2: channel 'feed' is not in the world, which has search; correct it"):
        read_log(write({}), channels=["search"])


def test_a_contexts_numbers_are_finite_and_may_be_missing(write):
    frame = read_log(write({"user_age": "NA"}, {"impression_id": "2", "user_age": "31"}))
    assert frame.user_age.isna().tolist() == [True, False] and frame.user_age[1] == 31.0
    with pytest.raises(InputError, match="row 2: column 'user_age' is infinite"):
        read_log(write({"user_age": "inf"}, {"impression_id": "2", "user_age": "1e400"}))
    # Zip codes keep their zeros.
    assert read_log(write({"user_zip": "01234"})).user_zip.tolist() == ["01234"]


def test_a_total_is_no_impression(write):
    blank = dict.fromkeys(ROW, "") | {"impression_id": "Total", "clicked": "2"}
    assert len(read_log(write({}, {"impression_id": "2"}, blank))) == 2
