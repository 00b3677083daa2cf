"""What the effect model sees of pictures, and that it learns from clicks which picture goes with which text."""

import numpy as np
import pytest
import torch
from copybandit.policies.effect.features import Description
from copybandit.policies.effect.model import EffectConfig, EffectModel, fit_effect_model
from copybandit.policies.pictures.columns import WIDTH, PictureTable
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.logs import Counts
from copybandit.simulation.pictures.gallery import drawn_for


@pytest.fixture(scope="module")
def drawn():
    products = [Product(f"p{i}", f"lamp {i}", "home", 10.0) for i in range(6)]
    return drawn_for(Catalog(products), 4, seed=0)


@pytest.fixture(scope="module")
def table(drawn):
    return PictureTable.of(drawn[1], None)


def test_columns_vary_alike_and_are_no_more_than_there_is_to_tell(table):
    assert table.columns.shape[0] == 24
    assert 2 <= table.columns.shape[1] <= min(WIDTH, 11)
    torch.testing.assert_close(table.columns.mean(0), torch.zeros(table.columns.shape[1]), atol=1e-5, rtol=0)
    torch.testing.assert_close(table.columns.square().mean(0), torch.ones(table.columns.shape[1]))


def test_no_picture_says_nothing(drawn, table):
    catalog = Catalog([*drawn[0].products, Product("none", "mat", "home", 1.0)])
    seen = table.of_creatives([Creative("p1", "x", image="p1.2"), Creative("p1", "x"), Creative("none", "x")], catalog)
    assert torch.equal(seen[0], table.columns[table.names.index("p1.2")])
    assert torch.equal(seen[1], table.columns[table.names.index("p1.0")])
    assert not seen[2].any()


def test_equal_pictures_have_no_columns(drawn):
    """Nothing tells them apart, and nothing is made up."""
    gallery = drawn[1]
    again = type(gallery)({name: lambda: gallery["p0.0"] for name in ("a", "b")})
    assert PictureTable.of(again, None).columns.shape == (2, 0)


TEXTS = [f"{opening} lamp {i}" for i in range(6) for opening in ("cheap deal on", "handmade sturdy", "new clever")]


@pytest.fixture(scope="module")
def log(drawn, table):
    """Clicks that the first column of a picture earns, and more where the text calls itself cheap."""
    catalog, _ = drawn
    creatives = [
        Creative(product.product_id, text, image=image)
        for product in catalog.products
        for text in TEXTS
        for image in product.images
    ]
    first = table.of_creatives(creatives, catalog)[:, 0].double()
    cheap = torch.tensor([float(creative.text.startswith("cheap")) for creative in creatives])
    logit = -2.0 + 0.4 * first + 0.6 * first * (cheap - cheap.mean())
    shown, cells = torch.full((len(creatives),), 2000.0), torch.arange(len(creatives))
    clicks = torch.tensor(np.random.default_rng(0).binomial(2000, torch.sigmoid(logit)), dtype=torch.float32)
    nowhere = torch.zeros(len(creatives), dtype=torch.int64)
    names = (tuple(creatives), ("everyone",), ("feed",))
    return Counts(*names, cells, nowhere, nowhere, nowhere, shown, clicks, clicks * 0.1), logit, cheap.bool()


def test_it_learns_pictures_and_what_goes_with_which_text(drawn, table, log):
    counts, logit, cheap = log
    config = EffectConfig(steps=400, text_ridge=20.0, segment_ridge=2000.0)
    members = (("words", 24),)
    seeing, blind = (
        fit_effect_model(counts, drawn[0], config, members=members, pictures=pictures) for pictures in (table, None)
    )
    found, missed = (model.predict(counts.creatives).text[0, :, 0] for model in (seeing, blind))
    assert np.corrcoef(found, logit)[0, 1] > 0.9
    assert np.corrcoef(missed, logit)[0, 1] < 0.4
    # Beside cheap words a picture's column counts for more than beside the others.
    first = table.of_creatives(counts.creatives, drawn[0])[:, 0]
    slope = [float(np.polyfit(first[part], found[part], 1)[0]) for part in (cheap, ~cheap)]
    assert slope[0] > slope[1] + 0.2


def test_what_it_sees_is_kept(drawn, table, log):
    counts = log[0]
    model = fit_effect_model(counts, drawn[0], EffectConfig(steps=5), members=(("words", 0),), pictures=table)
    again = EffectModel.restored(model.state(), lambda catalog: None)
    torch.testing.assert_close(again.predict(counts.creatives).text, model.predict(counts.creatives).text)


def test_without_pictures_a_description_is_as_it_was(drawn, log):
    creatives = log[0].creatives
    plain = Description(drawn[0], creatives, None)
    assert "pictures" not in plain.state()
    assert plain(creatives).shape[1] == 2 * (7 + 4)
