import pandas as pd
import pytest
import torch
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.logs import (
    count_log,
    count_uniform,
    log_frame,
    read_log,
    stream_uniform,
    uniform_slates,
)

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
        ({"propensity": ""}, "row 3, column 'propensity': is missing"),
        ({"clicked": "0.5"}, "row 3, column 'clicked': 0.5 is not 0 or 1"),
        ({"clicked": "yes"}, "row 3, column 'clicked': 'yes' is not a number"),
        ({"clicked": ""}, "row 3, column 'clicked': is missing"),
        ({"position": "-1"}, "row 3, column 'position': -1.0 is not a position of zero or more"),
        ({"position": "1.5"}, "row 3, column 'position': 1.5 is not a whole number"),
        ({"text": " "}, "row 3, column 'text'"),
        ({"user_id": ""}, "row 3, column 'user_id': is missing"),
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
