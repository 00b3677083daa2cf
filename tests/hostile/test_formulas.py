"""What we write for people: no spreadsheet runs a text, and our own reader gives it back."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from copybandit.experiments.harness.files import load_table, write_table


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")'])
def test_a_text_that_a_spreadsheet_would_run(text):
    write_table(Path("t.csv"), pd.DataFrame({"text": [text, "plain"], "lift": [-0.5, 1.0]}))
    with Path("t.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1] == [f"'{text}", "-0.5"]  # numbers stay numbers
    back = load_table(Path("t.csv"))
    assert back.text.tolist() == [text, "plain"] and back.lift.tolist() == [-0.5, 1.0]


def test_other_texts_stand_as_they_are():
    texts = ["'quoted'", "'", "a=b", " =1", "", "x-y"]
    write_table(Path("t.csv"), pd.DataFrame({"text": texts}))
    assert load_table(Path("t.csv"), keep_default_na=False).text.tolist() == texts
    write_table(Path("t.parquet"), pd.DataFrame({"text": ["=1", "'=1"]}))
    assert load_table(Path("t.parquet")).text.tolist() == ["=1", "'=1"]
