"""The shipped reader on tests/data/readable.csv: lines and trades that it was not fitted on, clean ones by hand.

`kind` says who wrote a line: human, a hand of `hands.py` (three of which it was not fitted on), or the built-in writer.
"""

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.reader.garbled import SHIPPED, GarbledCopy, is_english, load_reader, shipped_reader
from copybandit.simulation.reader.hands import HANDS, UNSEEN, garbled
from copybandit.simulation.reader.network import LONGEST, read_words
from copybandit.simulation.scenario import load_scenario
from copybandit.simulation.world import demo_world
from sklearn.metrics import roc_auc_score


@pytest.fixture(scope="module")
def lines(repository):
    table = pd.read_csv(repository / "tests" / "data" / "readable.csv")
    reader, texts = shipped_reader(), table.text.tolist()
    catalogs = [load_scenario(name)[1] for name in ("shop", "travel", "health", "feed")]
    own = frozenset(w for catalog in catalogs for text in catalog.with_ads([]).texts() for w in read_words(text))
    return table.assign(read=reader.read(texts, own).numpy(), logit=reader.logits(texts, own).numpy())


def auc(lines, kind) -> float:
    taken = lines[(lines.garbled == 0) | (lines.kind == kind)]
    return float(roc_auc_score(taken.garbled, taken.logit))


def test_words_as_they_are_read():
    assert read_words("It’s 1,300.5 g: GOOD!") == ("it's", "1,300.5", "g", ":", "good", "!")
    assert len(read_words("so " * 200)) == LONGEST


def test_a_text_is_read_alike_to_the_last_bit_alone_and_among_others(lines):
    """A world keeps what it has read; a run that goes on has other texts to read."""
    reader, texts = shipped_reader(), lines.text.tolist()
    together = reader.read(texts)
    assert ((together > 0) & (together < 1)).sum() > 50
    assert torch.equal(together, torch.cat([reader.read([text]) for text in texts]))
    assert torch.equal(together[100:137], reader.read(texts[100:137]))
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


def test_garbled_lines_are_told_from_clean_ones(lines):
    """Measured: 0.88, 67% and 4.9%."""
    assert roc_auc_score(lines.garbled, lines.logit) > 0.86
    assert (lines.read[lines.garbled == 1] > 0.5).mean() > 0.62
    assert (lines.read[lines.garbled == 0] > 0.5).mean() < 0.07


def test_every_hand_is_on_the_list(lines):
    assert {"human", "weak writer", *HANDS, *UNSEEN} == set(lines.kind)


WELL = {"shuffled": 0.95, "reversed": 0.94, "interleaved": 0.97, "letters": 0.97, "repeated": 0.94, "swapped": 0.92}
"""Least area under the curve by hand; the others are told less well, see docs/commands/reader.md."""


@pytest.mark.parametrize("kind", WELL)
def test_what_it_tells_well(lines, kind):
    assert auc(lines, kind) > WELL[kind]


def test_readers_pass_garbled_copy_by():
    """Paired: the shop's ads against the same ads with their words in any order."""
    world, random = demo_world("shop", users=60), np.random.default_rng(0)
    texts = [ad.text for ad in world.catalog.ads]
    pairs = [(ad, garbled(ad.text, HANDS["shuffled"], texts, random)) for ad in world.catalog.ads[::12]]
    clean = world.gold([ad for ad, text in pairs if text]).click.mean()
    spoiled = world.gold([Creative(ad.product_id, text) for ad, text in pairs if text]).click.mean()
    assert spoiled < 0.6 * clean


def test_what_is_english():
    assert is_english(["The pan that lasts for decades.", "Save on the skillet today."])
    assert is_english(["Sit better, work better", "Fresh coffee, every morning", "Built tough"])
    assert not is_english(["Jetzt sparen: die neue Pfanne für Ihre Küche", "Nur heute 20 Prozent auf alle Schuhe"])
    assert not is_english(["La poêle qui dure toute une vie", "Livraison gratuite sur tous les sacs"])
    assert not is_english(["De pan die een leven lang meegaat", "Nu gratis bezorgd in heel het land"])
    assert not is_english(["纯铜锅，三年保修。", "42", ""])


def test_a_trade_that_puts_things_its_own_way_is_spared(lines):
    """Of real texts that its readers have not met, about one in twenty is garbled to them; to others, most are."""
    odd = [text for text, kind in zip(lines.text, lines.kind, strict=True) if kind in ("shuffled", "swapped")]
    catalog = load_scenario("shop")[1]
    half = len(odd) // 2
    usual, lenient = GarbledCopy(catalog), GarbledCopy(catalog, odd[:half] * (1 + 200 // half))
    assert (usual.read(odd[half:]) > 0.5).float().mean() > 0.4
    assert lenient.leniency > 0
    assert (lenient.read(odd[half:]) > 0.5).float().mean() < 0.1
    assert GarbledCopy(catalog, odd[:50]).leniency == 0.0
