"""Pictures in the catalog, the log and the world: what they do for clicks, worked by hand."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.log_format import read_log
from copybandit.simulation.logs import count_log, log_frame, uniform_slates
from copybandit.simulation.pictures.files import of_pixels
from copybandit.simulation.pictures.gallery import Gallery, drawn_for, files_of
from copybandit.simulation.pictures.sight import SeeingReader, Viewer, seeing_reader
from copybandit.simulation.response.utilities import agreement
from copybandit.simulation.scenario import Scenario
from copybandit.simulation.world import make_world
from PIL import Image


@pytest.fixture
def drawn(tiny_catalog):
    return drawn_for(tiny_catalog, 4, seed=0)


@pytest.fixture
def seeing_world(tiny_scenario, drawn):
    catalog, gallery = drawn
    return make_world(tiny_scenario, catalog, users=40, reader=seeing_reader(tiny_scenario, catalog, gallery, 0))


def test_a_creative_without_a_picture_is_shown_with_the_first():
    pan = Product("p", "pan", "kitchen", 10.0, images=("a.png", "b.png"))
    catalog = Catalog([pan, Product("q", "lamp", "kitchen", 10.0)])
    shown = [Creative("p", "x"), Creative("p", "x", image="b.png"), Creative("q", "x")]
    assert [catalog.image_of(creative) for creative in shown] == ["a.png", "b.png", ""]
    assert Catalog.of_facts(catalog.facts()).products == catalog.products


def test_agreement_is_above_zero_where_both_say_the_same():
    said, shown = (
        torch.tensor([[0.5, 0.0], [0.5, 0.0], [0.0, 0.0]]),
        torch.tensor([[0.8, -1.0], [-0.8, 0.2], [1.0, 1.0]]),
    )
    torch.testing.assert_close(agreement(said, shown), torch.tensor([0.4, -0.4, 0.0]))


@pytest.mark.parametrize("pictured", [1, 2, 4])
def test_one_picture_a_product_leaves_the_world_as_spread_as_several(tiny_scenario, tiny_catalog, pictured):
    """However few products have one: none is clicked by nobody or by everybody for it."""
    catalog, gallery = drawn_for(tiny_catalog, 1, seed=0)
    few = {p.product_id: p.images for p in catalog.products[:pictured]}
    catalog = tiny_catalog.with_images(few)
    world = make_world(tiny_scenario, catalog, users=40, reader=seeing_reader(tiny_scenario, catalog, gallery, 0))
    utilities = world.utilities
    logit = utilities.click(*utilities.read(catalog.ads)).mean(0)
    plain = make_world(tiny_scenario, tiny_catalog, users=40).utilities
    assert logit.std() < 2 * plain.click(*plain.read(tiny_catalog.ads)).mean(0).std()
    rate = world.gold(catalog.ads).click.mean()
    assert abs(rate - make_world(tiny_scenario, tiny_catalog, users=40).gold(tiny_catalog.ads).click.mean()) < 0.05


def test_picture_and_interplay_have_their_shares_of_the_variance(seeing_world):
    world = seeing_world
    catalog, utilities = world.catalog, world.utilities
    ads = [(ad, image) for ad in catalog.ads for image in catalog[ad.product_id].images]
    product, reading = utilities.read([replace(ad, image=image) for ad, image in ads])
    click = utilities.click(product, reading).mean(0).double().numpy()
    table = pd.DataFrame(
        {"product": product, "text": [ad.text for ad, _ in ads], "image": [i for _, i in ads], "y": click}
    )
    table["y"] -= table.groupby("product").y.transform("mean")
    rows, columns = (table.groupby(["product", name]).y.transform("mean") for name in ("text", "image"))
    parts = {"text": rows, "picture": columns, "interplay": table.y - rows - columns}
    variance = {name: float((part**2).mean()) for name, part in parts.items()}
    total = sum(variance.values())
    # A picture's mean agreement with its product's texts adds to its own part, hence not to the last digit.
    assert variance["interplay"] / total == pytest.approx(0.05, abs=0.01)
    assert variance["picture"] / total == pytest.approx(0.32, abs=0.08)


def test_without_pictures_nothing_changes(make_tiny_world, tiny_catalog, tiny_scenario, drawn):
    catalog, gallery = drawn
    blind, seeing = make_tiny_world(), seeing_reader(tiny_scenario, catalog, gallery, 0)
    ads = tiny_catalog.ads
    plain = seeing.reader.read(ads)
    read = seeing.read([replace(ad, image="none.png") for ad in ads])
    torch.testing.assert_close(read.click, plain.click)
    assert read.sight is not None
    assert not read.sight.click.any() and not read.sight.appeals.any()
    assert blind.reader.read(ads).sight is None


def test_a_text_is_read_once_whatever_it_stands_beside(tiny_scenario, drawn):
    catalog, gallery = drawn

    class Counting:
        read_texts = 0

        def __init__(self, inner):
            self.inner = inner

        def read(self, creatives):
            self.read_texts += len(creatives)
            return self.inner.read(creatives)

    inner = Counting(seeing_reader(tiny_scenario, catalog, gallery, 0).reader)
    reader = SeeingReader(inner, Viewer(tiny_scenario, gallery, 0), catalog)
    ad = catalog.ads[0]
    images = catalog[ad.product_id].images
    reading = reader.read([replace(ad, image=image) for image in images])
    assert inner.read_texts == 1
    assert len(reading) == len(images)
    assert len(set(reading.sight.click.tolist())) > 1


def test_what_looks_say_is_checked(tiny_scenario):
    given = tiny_scenario.model_dump()
    with pytest.raises(ValueError, match="taste for 'speed', which is no appeal"):
        Scenario.model_validate(given | {"pictures": {"says": {"speed": {"dark": 1.0}}}})
    with pytest.raises(ValueError, match="leave the text nothing"):
        Scenario.model_validate(given | {"pictures": {"share": 0.6, "interplay": 0.4}})


def test_a_dark_picture_says_what_the_scenario_says_of_dark(tiny_scenario):
    bright, dark = (np.full((64, 64, 3), value, dtype=np.uint8) for value in (230, 20))
    gallery = Gallery({name: (lambda p=p: of_pixels(p)) for name, p in (("bright", bright), ("dark", dark))})
    scenario = tiny_scenario.model_copy(update={"pictures": tiny_scenario.pictures.model_copy(update={"says": SAYS})})
    seen = Viewer(scenario, gallery, None).see(["dark", "bright", ""])
    # Of two pictures one is a deviation below the mean and one above; beyond two none goes.
    strength = math.tanh(2 * math.tanh(0.5))
    torch.testing.assert_close(seen.appeals[:, 1], torch.tensor([strength, -strength, 0.0]))


SAYS = {"quality": {"dark": 1.0}}


def test_a_look_that_there_is_not_is_refused(tiny_scenario):
    pictures = tiny_scenario.pictures.model_copy(update={"says": {"quality": {"shiny": 1.0}}})
    gallery = Gallery({"grey": lambda: of_pixels(np.full((32, 32, 3), 90, dtype=np.uint8))})
    with pytest.raises(InputError, match="'shiny' is no look of a picture; give one of brightness, contrast"):
        Viewer(tiny_scenario.model_copy(update={"pictures": pictures}), gallery, None)


def test_equal_pictures_are_looked_at_once():
    grey = np.full((32, 32, 3), 90, dtype=np.uint8)
    gallery = Gallery({name: lambda: of_pixels(grey) for name in ("a", "b", "c")})
    asked = []

    def encode(pixels):
        asked.append(len(pixels))
        return torch.ones(len(pixels), 2)

    assert gallery.vectors(encode).shape == (3, 2)
    assert asked == [1]


def test_a_log_says_which_picture_was_shown(seeing_world, tmp_path):
    world = seeing_world
    shown = [replace(ad, image=image) for ad in world.catalog.ads for image in world.catalog[ad.product_id].images[:2]]
    candidates, visits = world.publish(shown), world.visitors(300)
    slates = uniform_slates(300, candidates, 2, torch.Generator().manual_seed(0))
    frame = log_frame(world, world.respond(visits, slates), torch.full((300, 2), 0.1))
    frame.to_csv(tmp_path / "log.csv", index=False)
    log = read_log(tmp_path / "log.csv", world.catalog)
    assert set(log.image_id) <= {image for product in world.catalog.products for image in product.images}
    counts = count_log(log)
    assert counts.impressions.sum() == 600
    assert {creative.image for creative in counts.creatives} == set(log.image_id)


def test_a_picture_that_is_not_the_products_is_refused(seeing_world, tmp_path):
    row = {"impression_id": 1, "timestamp": "2024-01-01", "user_id": 1, "channel": "feed", "position": 0}
    row |= {"product_id": "k1", "creative_id": 0, "text": "x", "propensity": 1.0, "clicked": 0, "image_id": "o1.0"}
    pd.DataFrame([row]).to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(InputError, match=r"row 2: 'o1\.0' is no picture of product 'k1', whose images are k1\.0,"):
        read_log(tmp_path / "log.csv", seeing_world.catalog)


@pytest.fixture
def shop(tmp_path):
    Image.new("RGB", (40, 30), (200, 30, 30)).save(tmp_path / "red.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "red.png").read_bytes()[:40])

    def catalog(images: str) -> Catalog:
        path = tmp_path / "catalog.csv"
        pd.DataFrame([{"product_id": "p", "title": "pan", "category": "k", "price": 1, "images": images}]).to_csv(path)
        return Catalog.read(path)

    return tmp_path / "catalog.csv", catalog


def test_pictures_are_named_relative_to_the_catalog(shop):
    path, catalog = shop
    gallery = files_of(catalog("red.png; red.png"), path)
    assert list(gallery.number) == ["red.png"]
    assert gallery["red.png"].pixels.shape == (30, 40, 3)


@pytest.mark.parametrize("image", ["none.png", "torn.png", "../red.png", "catalog.csv", "."])
def test_what_is_no_picture_is_refused_with_product_and_file(shop, image):
    path, catalog = shop
    with pytest.raises(InputError, match=r"catalog\.csv: row 2: product 'p': .*;") as refused:
        files_of(catalog(f"red.png;{image}"), path)
    assert image.removeprefix("../") in str(refused.value)
