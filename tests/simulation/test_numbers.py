"""Numbers as spreadsheets write them, by hand."""

import pandas as pd
import pytest
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.reading.numbers import parse_number, read_numbers


@pytest.mark.parametrize(
    ("text", "sign", "value"),
    [
        ("1,234.5", "point", 1234.5),
        ("1.234,5", "comma", 1234.5),
        ("1 234,50 €", "comma", 1234.5),
        ("1\u202f234,5", "comma", 1234.5),
        ("1'234.50", "point", 1234.5),
        ("$1,234", "point", 1234),
        ("USD 12.5", "point", 12.5),
        ("12.5 %", "point", 0.125),
        ("3,2%", "comma", 0.032),
        ("\u22121.5", "point", -1.5),
        ("1,00,000", "point", 100_000),
        ("1e3", "point", 1000),
        (".5", "point", 0.5),
        ("１２", "point", 12),
    ],
)
def test_a_number(text, sign, value):
    assert parse_number(text, sign) == pytest.approx(value)


@pytest.mark.parametrize("text", ["1,23.5", "12,34", "one", "", ".", "1.2.3", "0,125", "--"])
def test_what_is_no_number_with_a_decimal_point(text):
    assert parse_number(text, "point") != parse_number(text, "point")


def read(separator=",", counts=(), **columns):
    frame = pd.DataFrame({name: pd.Series(values, dtype="str") for name, values in columns.items()})
    frame, said = read_numbers(frame, list(columns), list(counts), separator, "t.csv")
    return {name: frame[name].tolist() for name in columns}, said


def test_one_sign_holds_for_the_whole_table():
    # 1.250 alone may be either; 0,5 beside it tells.
    values, said = read(";", price=["1.250", "3"], rate=["0,5", "0,25"])
    assert values == {"price": [1250.0, 3.0], "rate": [0.5, 0.25]} and said == ["decimal comma"]
    assert read(";", price=["1.250", "3"], rate=["0.5", "0.25"])[0]["price"] == [1.25, 3.0]


def test_counts_are_whole_so_that_a_point_is_a_thousands_sign():
    assert read(";", ["shown"], shown=["1.250", "12"])[0]["shown"] == [1250.0, 12.0]
    assert read(",", ["shown"], shown=["1,250", "12"])[0]["shown"] == [1250.0, 12.0]


def test_what_can_be_read_in_two_ways_is_refused():
    with pytest.raises(
        InputError, match=r"t.csv: row 2, column 'price': '1.250' may be 1.25 or 1250, and no other num"
    ):
        read(";", price=["1.250", "3"])
    # Between commas a point is a decimal point.
    assert read(",", price=["1.250", "3"])[0]["price"] == [1.25, 3.0]


def test_percent_signs_are_all_or_none():
    assert read(rate=["12%", "3 %", "0"]) == ({"rate": [0.12, 0.03, 0.0]}, ["percent signs in 'rate'"])
    with pytest.raises(InputError, match=r"row 3, column 'rate': '0.5' has no percent sign and others have"):
        read(rate=["12%", "0.5"])


def test_missing_and_true_and_what_is_no_number():
    values, _ = read(a=["NA", "1", "-"], b=["True", "FALSE", None], c=["1", "x", "2"])
    assert pd.isna(values["a"][0]) and values["a"][1] == 1.0 and pd.isna(values["a"][2])
    assert values["b"][:2] == [1.0, 0.0] and values["c"] == [1.0, "x", 2.0]
