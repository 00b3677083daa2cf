"""Pictures that are drawn: the same every time, one product in many styles, and what tags say is what they show."""

import hashlib

import numpy as np
import pytest
from copybandit.simulation.data.catalog import Product
from copybandit.simulation.pictures import drawn
from copybandit.simulation.pictures.drawn import BADGES, STYLES, draw, tags
from copybandit.simulation.pictures.silhouettes import SILHOUETTES, Pen, silhouette_of
from copybandit.simulation.scenario import BUILT_IN, load_scenario
from PIL import Image

KETTLE = Product("k-1", "electric kettle", "kitchen", 54.0)
SMALL = 96


def test_the_same_picture_every_time():
    for number in (0, 3):
        one, again = draw(KETTLE, number, seed=5), draw(KETTLE, number, seed=5)
        assert one.shape == (320, 320, 3) and one.dtype == np.uint8
        assert hashlib.sha256(one.tobytes()).digest() == hashlib.sha256(again.tobytes()).digest()
    assert (draw(KETTLE, 3, seed=5, side=SMALL) != draw(KETTLE, 3, seed=6, side=SMALL)).any()


def test_pictures_of_a_product_differ_in_style():
    pictures = [draw(KETTLE, number, side=SMALL) for number in range(len(STYLES))]
    assert len({picture.tobytes() for picture in pictures}) == len(STYLES)
    assert {tags(KETTLE, number)[0] for number in range(len(STYLES))} == set(STYLES)


def test_styles_differ_from_product_to_product():
    first = {tags(Product(f"p-{i}", "mug", "kitchen", 9.0), 1)[0] for i in range(60)}
    assert first == set(STYLES[1:])


def test_the_first_picture_is_plain():
    assert tags(KETTLE, 0) == (STYLES[0],)
    picture = draw(KETTLE, 0)
    for border in (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:]):
        assert (border == 255).all()
    assert (picture[80:240, 80:240] < 200).any()


@pytest.mark.parametrize("tag", [*BADGES, "price tag"])
def test_a_tag_is_seen_where_it_is_said(tag, monkeypatch):
    """A picture drawn without its badge or price differs in one corner alone."""
    number = next(n for n in range(1, 400) if tags(KETTLE, n)[1:] == (tag,))
    shown = draw(KETTLE, number)
    style = tags(KETTLE, number)[0]
    monkeypatch.setattr(drawn, "_plan", lambda *_: (style, None, False))
    changed = (draw(KETTLE, number) != shown).any(2)
    rows, columns = np.nonzero(changed)
    assert 800 < changed.sum() < 0.15 * changed.size
    assert rows.min() > 240 if tag == "price tag" else rows.max() < 120
    assert columns.max() < 160 or columns.min() > 160


def test_badges_and_prices_are_on_some():
    said = [tags(Product(f"p-{i}", "mug", "kitchen", 9.0), 1 + i % 5)[1:] for i in range(1000)]
    shares = {tag: np.mean([tag in one for one in said]) for tag in [*BADGES, "price tag"]}
    assert all(0.07 < shares[badge] < 0.16 for badge in BADGES)
    assert 0.3 < shares["price tag"] < 0.4


@pytest.mark.parametrize(
    ("title", "category", "silhouette"),
    [
        ("electric gooseneck kettle", "home", "kettle"),
        ("robot vacuum cleaner", "home", "disc"),
        ("pirate board game", "toys", "game"),
        ("makeup brushes", "beauty", "brushes"),
        ("明前龙井", "茶叶", "pouch"),
        ("something new", "toys", "teddy"),
        ("something new", "of no kind", "carton"),
    ],
)
def test_a_title_calls_its_silhouette(title, category, silhouette):
    assert silhouette_of(title, category) == silhouette


@pytest.mark.parametrize("name", SILHOUETTES)
def test_every_silhouette_can_be_drawn(name):
    image = Image.new("RGBA", (64, 64))
    Pen(image, (200, 90, 80), (60, 120, 140)).draw(name)
    assert 0.08 < (np.asarray(image)[..., 3] > 0).mean() < 0.95


@pytest.mark.parametrize("name", sorted(path.stem for path in BUILT_IN.glob("*.yaml")))
def test_products_of_built_in_scenarios_are_drawn(name):
    catalog = load_scenario(name)[1]
    for product in catalog.products[:: max(1, len(catalog) // 8)]:
        plain, styled = draw(product, 0, side=SMALL), draw(product, 2, side=SMALL)
        assert plain.shape == styled.shape == (SMALL, SMALL, 3)
        assert 0.02 < (plain.min(2) < 240).mean() < 0.6
