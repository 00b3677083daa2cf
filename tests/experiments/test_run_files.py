"""Tables of a run directory: what is written is what is read."""

import pandas as pd
import pytest
from copybandit.experiments.harness.files import load_table, write_table


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("text", ["two\rlines", "two\nlines", 'a "quote", a comma', " spaces ", "1e5"])
def test_a_text_comes_back_as_it_was(tmp_path, suffix, text):
    table = pd.DataFrame({"text": [text, "plain"], "clicks": [1, 2]})
    write_table(tmp_path / f"t.{suffix}", table)
    back = load_table(tmp_path / f"t.{suffix}")
    assert back.text.tolist() == [text, "plain"] and back.clicks.tolist() == [1, 2]
