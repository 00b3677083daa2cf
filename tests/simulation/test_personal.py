import logging

import pandas as pd
import pytest
from copybandit.simulation.data.catalog import Catalog
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.personal import personal, refuse_named_users
from copybandit.simulation.data.pseudonyms import fresh_key, pseudonyms
from copybandit.simulation.scenario import load_scenario


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Write to anna.b+ads@mail.shop.example.", ["anna.b+ads@mail.shop.example"]),
        ("Call +49 151 2345678 today", ["+49 151 2345678"]),
        ("Ring 0151/2345678", ["0151/2345678"]),
        ("Call (555) 123-4567 or 555-123-4567", ["(555) 123-4567", "555-123-4567"]),
        ("Card 4111 1111 1111 1111", ["4111 1111 1111 1111"]),
        ("Account 12345678", ["12345678"]),
        ("order code 4 8 1 5 1 6", ["4 8 1 5 1 6"]),
        # What copy is full of.
        ("Sizes 36 38 40 42 44 from 2023-2024, 12 x 34 x 56 cm", []),
        ("Only $1,299.00 instead of 1 500 000 points, 20000 lumen", []),
        ("24/7 at version 10.2.1, 100% @ home", []),
    ],
)
def test_what_looks_personal_by_hand(text, found):
    assert [word for _, word in personal(text)] == found


@pytest.mark.parametrize("name", ["shop", "feed", "health", "support", "travel", "chafang"])
def test_the_ads_that_come_along_hold_nothing_personal(name):
    _, catalog = load_scenario(name)
    assert [text for text in (*catalog.texts(), *catalog.phrases) if any(personal(text))] == []


def test_personal_ads_are_named_by_count_and_first_row_and_not_repeated(tmp_path, caplog):
    (tmp_path / "catalog.csv").write_text("product_id,title,category,price\na,pan,kitchen,9\n")
    lines = ["A pan.", "Ask anna@mail.example.", "Call 0151 2345678.", "A pan again."]
    pd.DataFrame({"product_id": "a", "text": lines}).to_csv(tmp_path / "ads.csv", index=False)
    with caplog.at_level(logging.INFO, "copybandit.understood"):
        Catalog.read(tmp_path / "catalog.csv", tmp_path / "ads.csv")
    (said,) = [record.getMessage() for record in caplog.records if "personal" in record.getMessage()]
    assert "(an e-mail address, a telephone number) in 2 rows, the first is row 3" in said
    assert "anna" not in said and "0151" not in said


def test_segments_that_name_users_are_refused():
    users = [f"u{i}" for i in range(8)]
    log = pd.DataFrame({"user_id": users, "user_segment": [f"{user}@mail.example" for user in users]})
    with pytest.raises(InputError, match="8 of 8 segments have one user each") as error:
        refuse_named_users(log, "log.csv")
    assert "mail" not in str(error.value)
    refuse_named_users(log.assign(user_segment=["a", "b"] * 4), "log.csv")
    refuse_named_users(log.iloc[:4], "log.csv")
    refuse_named_users(log.drop(columns="user_segment"), "log.csv")


def test_pseudonyms_by_hand():
    """RFC 4231, test case 2: the key "Jefe" and its sentence."""
    assert pseudonyms(["what do ya want for nothing?"], b"Jefe") == ["5bdcc146bf60754e"]
    assert pseudonyms([7, "7", 8], b"k") == [*pseudonyms(["7"], b"k") * 2, *pseudonyms(["8"], b"k")]
    first, second = (pseudonyms(range(1000), fresh_key()) for _ in range(2))
    assert len(set(first)) == 1000 and not set(first) & set(second)
