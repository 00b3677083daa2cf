"""The shipped reader on tests/data/readable.csv: lines and trades that it was not fitted on, clean ones by hand.

`kind` says who wrote a line: human, a hand of `hands.py` (three of which it was not fitted on), or the built-in writer.
"""

import pandas as pd
import pytest
import torch
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.reader.garbled import SHIPPED, GarbledCopy, is_english, load_reader, shipped_reader
from copybandit.simulation.reader.network import LONGEST, read_words
from copybandit.simulation.scenario import load_scenario
from sklearn.metrics import roc_auc_score


@pytest.fixture(scope="module")
def lines(repository):
    table = pd.read_csv(repository / "tests" / "data" / "readable.csv")
    reader = shipped_reader()
    return table.assign(read=reader.read(table.text.tolist()).numpy(), logit=reader.logits(table.text.tolist()).numpy())


def auc(lines, kind) -> float:
    taken = lines[(lines.garbled == 0) | (lines.kind == kind)]
    return float(roc_auc_score(taken.garbled, taken.logit))


def test_words_as_they_are_read():
    assert read_words("It’s 1,300.5 g: GOOD!") == ("it's", "1,300.5", "g", ":", "good", "!")
    assert len(read_words("so " * 200)) == LONGEST


def test_a_text_is_read_alike_alone_and_among_others():
    reader = load_reader(SHIPPED)[0]
    texts = ["A pan.", "A heavy pan for the oven, the hob and the fire.", "pan the A of of"]
    together = reader.logits(texts)
    alone = torch.cat([reader.logits([text]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(reader.read(texts), reader.read(texts[::-1]).flip(0))
    assert reader.read([]).shape == (0,)
    assert reader.read([""]).item() == 0


def test_it_is_saved_whole(tmp_path):
    reader, card = load_reader(SHIPPED)
    reader.save(tmp_path / "again.safetensors", card)
    again, same = load_reader(tmp_path / "again.safetensors")
    texts = ["A heavy pan for the oven.", "oven the for pan heavy A"]
    torch.testing.assert_close(again.logits(texts), reader.logits(texts))
    assert same == card
    with pytest.raises(InputError, match=r"none\.safetensors"):
        load_reader(tmp_path / "none.safetensors")


@pytest.mark.parametrize(("name", "english"), [("shop", True), ("travel", True), ("chafang", False)])
def test_it_judges_english_alone(name, english):
    catalog = load_scenario(name)[1]
    copy = GarbledCopy(catalog)
    assert copy.judges == english
    if not english:
        assert not copy.read([ad.text[::-1] for ad in catalog.ads]).any()


def test_german_is_not_english():
    lamp = Product("1", "Stehlampe", "Wohnen", 80.0, description="Eine Lampe, die lange leuchtet und wenig braucht.")
    assert not is_english(Catalog([lamp], [Creative("1", "Warmes Licht für lange Abende im Herbst.")]).texts())
