"""The warm start ends by itself, on products that it does not learn from, and keeps its best."""

import pytest
import torch
from copybandit.policies.learning.rates import fitting_rate
from copybandit.policies.learning.supervised import nats_a_token
from copybandit.policies.learning.warm_start import APART, WarmStartConfig, split_ads, warm_start
from copybandit.policies.writer.prompts import prompt
from copybandit.policies.writer.writer import WriterConfig, make_writer
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.data.errors import InputError

SMALL = WriterConfig(layers=1, width=32, heads=2, vocabulary=400)
NOUNS = ("pan", "desk", "lamp", "tent", "mug", "bag", "chair", "knife", "scarf", "clock")


@pytest.fixture
def catalog() -> Catalog:
    """Thirty products of three ads."""
    products = [Product(f"p{i}", f"{NOUNS[i % 10]} no {i}", "things", 1.0) for i in range(30)]
    ads = [Creative(p.product_id, f"{p.title}, {how} made.") for p in products for how in ("well", "finely", "hand")]
    return Catalog(products, ads)


def test_one_product_in_ten_is_held_out(catalog, tiny_catalog):
    learned, away = split_ads(catalog, catalog.ads)
    assert {ad.product_id for ad in away} == {"p9", "p19", "p29"} and APART == 10
    assert len(learned) == 81 and not {ad.product_id for ad in learned} & {"p9", "p19", "p29"}
    assert split_ads(tiny_catalog, tiny_catalog.ads) == (list(tiny_catalog.ads), [])


def test_it_ends_by_itself_and_keeps_the_lowest_loss(catalog):
    """At a rate far too high the loss on what is held out goes up soon: the weights from before are kept."""
    writer, seen = make_writer(catalog, SMALL, seed=0), []
    writer.pretrained = True
    config = WarmStartConfig(lines=48_000, batch=16, learning_rate=0.02, patience=2)
    loss = warm_start(writer, catalog, (), config, seed=0, progress=lambda lines, _: seen.append(lines))
    assert sum(seen) < 48_000
    away = split_ads(catalog, catalog.ads)[1]
    asked = [prompt(catalog[ad.product_id]) for ad in away]
    with torch.no_grad():
        kept = float(nats_a_token(writer, asked, [ad.text for ad in away], 128))
    assert loss == pytest.approx(kept, rel=1e-4)


def test_a_writer_that_begins_from_nothing_reads_all_ads_to_the_end(catalog):
    writer, seen = make_writer(catalog, SMALL, seed=0), []
    config = WarmStartConfig(lines=640, batch=16, learning_rate=0.02, patience=1)
    warm_start(writer, catalog, (), config, seed=0, progress=lambda lines, _: seen.append(lines))
    assert len(seen) == 40


def test_the_rate_fits_the_writer(catalog, monkeypatch):
    writer = make_writer(catalog, SMALL, seed=0)
    rate = lambda given=None: fitting_rate(given, writer, small=1e-3, large=1e-5)  # noqa: E731
    assert (rate(), rate(0.5)) == (1e-3, 0.5)
    monkeypatch.setattr("copybandit.policies.learning.rates.LARGE", 1000)
    assert rate() == 1e-5
    writer.model.peft_config = {}
    assert rate() == pytest.approx(1e-4)


def test_refusals():
    for wrong in ({"lines": 3}, {"patience": 0}):
        with pytest.raises(InputError, match="warm start"):
            WarmStartConfig(**wrong)
