"""Times as people write them, by hand; what may be two days is refused."""

import pandas as pd
import pytest
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.reading.times import read_times

NOON = pd.Timestamp("2026-11-27T12:00:00Z")


def read(*texts: str) -> list[pd.Timestamp]:
    return read_times(pd.Series(texts, name="timestamp", dtype="str"), "log.csv")[0].tolist()


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-27T12:00:00Z",
        "2026-11-27 12:00",
        "2026-11-27 13:00:00.000+01:00",
        "1795780800",
        "1795780800000",
        "1795780800.0",
        "27.11.2026 12:00",
        "27.11.26 12:00:00",
        "11/27/2026 12:00 PM",
        "27/11/2026 12:00",
        "27/11/2026, 12:00:00",
        "2026/11/27 12:00",
        "27 Nov 2026 12:00",
        "Nov 27, 2026, 12:00:00 PM",
        "November 27, 2026 12:00",
        "Fri, 27 Nov 2026 12:00:00 GMT",
        "27/Nov/2026 12:00:00",
        "2026年11月27日 12:00",
    ],
)
def test_noon(text):
    assert read(text) == [NOON]


def test_one_row_tells_day_from_month_for_all():
    assert read("03/04/2026", "27/11/2026")[0] == pd.Timestamp("2026-04-03", tz="UTC")
    assert read("03/04/2026", "11/27/2026")[0] == pd.Timestamp("2026-03-04", tz="UTC")
    # With points the day comes first, everywhere.
    assert read("03.04.2026") == [pd.Timestamp("2026-04-03", tz="UTC")]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["03/04/2026", "05/06/2026"], "row 2, .*'03/04/2026' may be 2026-04-03 or 2026-03-04, and no row tells"),
        (["27/11/2026", "11/27/2026"], "row 3, .*'11/27/2026' is written in another way than the other times"),
        (["2026-11-27", "soon"], "row 3, .*'soon' is not a time that can be read; write times as in ISO 8601"),
        (["2026-11-27T12:00Z", "2026-11-27T12:00"], "row 3, .* has no time zone and the first row has one"),
        (["27.11.2026 25:00"], "row 2, .*not a time"),
        (["12", "13"], "row 2, .*'12' is not a time"),
        (["46353.5"], "row 2, .*not a time"),
    ],
)
def test_what_is_no_certain_time_is_refused(texts, says):
    with pytest.raises(InputError, match=says):
        read(*texts)
