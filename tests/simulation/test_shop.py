"""The built-in shop behaves like a shop: rates, text effect, and room for the writer and the placement."""

import pytest
import torch
from copybandit.simulation.logs import count_uniform, uniform_slates
from copybandit.simulation.response.rates import best_of_gain


def test_size(shop):
    catalog = shop.catalog
    written = torch.bincount(torch.tensor(catalog.product_indices(catalog.ads)))
    assert len(catalog) >= 96
    assert len(catalog.categories) >= 8
    assert written.min() >= 6
    assert len({ad.text for ad in catalog.ads}) > 0.95 * len(catalog.ads)
    assert len(shop.audience) == 1000
    assert shop.slots == 3


def test_rates_under_uniform_placement(shop):
    shop.reset(0)
    counts = count_uniform(shop, shop.catalog.ads, 30_000, torch.Generator().manual_seed(0))
    assert 0.01 < counts.clicks.sum() / counts.impressions.sum() < 0.04
    assert 0.02 < counts.conversions.sum() / counts.clicks.sum() < 0.08
    assert counts.impressions.sum() == 90_000


@pytest.mark.parametrize("rate", ["click", "convert"])
def test_the_best_of_five_texts_gains_ten_to_twenty_percent(shop, rate):
    ads = shop.catalog.ads
    worth, product = getattr(shop.gold(ads), rate).mean(0), torch.tensor(shop.catalog.product_indices(ads))
    gain = torch.stack([best_of_gain(worth[product == p]) for p in product.unique()]).mean()
    assert 0.10 < gain < 0.20


def test_the_oracle_beats_random(shop):
    shop.reset(1)
    shown = shop.publish(shop.catalog.ads[::16])
    visits = shop.visitors(4000)
    uniform = shop.expected(visits, uniform_slates(4000, shown, 3, torch.Generator().manual_seed(0))).ctr.sum(1).mean()
    assert shop.expected(visits, shop.best(visits, shown)).ctr.sum(1).mean() > 1.5 * uniform
