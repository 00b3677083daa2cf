"""Pictures of products, drawn from a seed: one product in many styles, with a badge or its price on some."""

import hashlib
import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ..data.catalog import Product
from .backdrops import BACKDROPS, place
from .silhouettes import Colour, Pen, silhouette_of

STYLES: tuple[str, ...] = tuple(BACKDROPS)
"""Names of styles; the first is the one of every product's picture number 0."""
BADGES = {
    "sale badge": "SALE",
    "discount badge": "-30%",
    "new badge": "NEW",
    "eco badge": "ECO",
    "number one badge": "No. 1",
}
"""Badges by tag, with what is written on them."""
NO_BADGE, PRICED = 0.45, 0.35
"""Share of pictures without a badge, and share with a price tag."""

_PALETTE = [
    *("#e4685c", "#e9b044", "#7fa58a", "#2f8f8b", "#3f5f9c", "#5aa3d6"),
    *("#7b4b94", "#d9829b", "#c8693f", "#8b8f3e", "#5b6b7a", "#a884c4"),
]
_COLOURS = {
    "black, charcoal, cast iron, 黑芝麻": "#474b54",
    "grey, gray, elephant, slate, graphite": "#8f99a6",
    "white, cream, wool, undyed": "#d8c8ae",
    "sand, linen, oat, beige, 棉麻": "#d3b98d",
    "wood, wooden, beech, birch, oak, acacia, cork": "#c08a55",
    "bamboo, straw, raffia, 竹": "#d9b066",
    "walnut, chocolate, cocoa, coffee, brown": "#7d5138",
    "leather, suede, tan": "#a8713f",
    "red, salmon, coral, hot sauce": "#dc5f52",
    "rose, pink": "#dc8aa0",
    "terracotta, clay, copper": "#c4714c",
    "orange, 陈皮": "#e08a3a",
    "honey, amber, cheddar, gold, 桂花, 乌龙": "#e8a93c",
    "olive": "#858c3c",
    "green, leaf, jungle, sage, 龙井, 绿": "#7ba36f",
    "jade, mint, 青瓷": "#84bba0",
    "teal, turquoise": "#2f8f8b",
    "denim, mid blue": "#5079ab",
    "deep blue, navy": "#30508c",
    "blue, 海盐, 玻璃": "#5a9fd4",
    "lavender, purple, violet": "#9a7fc4",
    "plum, fig": "#7b4b78",
    "普洱, 紫砂": "#86503e",
    "茉莉": "#b9c48a",
}


def tags(product: Product, number: int, seed: int = 0) -> tuple[str, ...]:
    """What a picture shows: its style, then a badge and "price tag" where there are such.

    Args:
        product: what is shown.
        number: which of its pictures.
        seed: draws styles, badges and colours anew.
    """
    style, badge, priced = _plan(product, number, seed)
    return style, *([badge] if badge else []), *(["price tag"] if priced else [])


def draw(product: Product, number: int, seed: int = 0, side: int = 320) -> NDArray[np.uint8]:
    """One picture of a product, [side, side, 3]; number 0 is the plain one before white.

    The same arguments draw the same picture. A product has one silhouette and one pair of colours in all of its
    pictures, and meets every style before one comes again.

    Args:
        product: what is shown.
        number: which of its pictures.
        seed: draws styles, badges and colours anew.
        side: pixels along a side.
    """
    style, badge, priced = _plan(product, number, seed)
    rng = _rng("scene", seed, product.product_id, number)
    main, accent = _colours(product, seed)
    image = Image.new("RGB", (2 * side, 2 * side))
    pen = Pen(image, main, accent)
    spot = BACKDROPS[style](pen, rng)
    size = round(2 * side * spot.size / 100)
    thing = Image.new("RGBA", (size, size))
    Pen(thing, main, accent).draw(silhouette_of(product.title, product.category))
    place(pen, thing, spot)
    if badge:
        _badge(pen, badge, float(rng.choice([17, 83])), 17)
    if priced:
        _price(pen, product, left=bool(rng.integers(2)))
    return np.array(image.resize((side, side), Image.Resampling.HAMMING))


def _plan(product: Product, number: int, seed: int) -> tuple[str, str | None, bool]:
    """Style, badge, and whether the price is on it."""
    if number == 0:
        return STYLES[0], None, False
    order = _rng("styles", seed, product.product_id).permutation(len(STYLES) - 1)
    rng = _rng("overlays", seed, product.product_id, number)
    badge = None if rng.random() < NO_BADGE else list(BADGES)[rng.integers(len(BADGES))]
    return STYLES[1 + order[(number - 1) % len(order)]], badge, rng.random() < PRICED


def _rng(*what: object) -> np.random.Generator:
    digest = hashlib.blake2b("|".join(map(str, what)).encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def _colours(product: Product, seed: int) -> tuple[Colour, Colour]:
    """The main colour, which a word may name, and a second one that differs from it."""
    rng = _rng("colours", seed, product.product_id)
    named = _COLOUR.search(f"{product.title} {product.attribute_values}".lower())
    main = ImageColor.getrgb(_NAMED[named.group()] if named else _PALETTE[rng.integers(len(_PALETTE))])
    palette = [ImageColor.getrgb(colour) for colour in _PALETTE]
    unlike = [colour for colour in palette if sum(abs(a - b) for a, b in zip(colour, main, strict=True)) > 150]
    return main, unlike[rng.integers(len(unlike))]


_NAMED = {word: colour for words, colour in _COLOURS.items() for word in words.split(", ")}
_longest = sorted(_NAMED, key=len, reverse=True)
_COLOUR = re.compile("|".join(rf"\b{word}\b" if word.isascii() else word for word in _longest))


def _badge(pen: Pen, badge: str, x: float, y: float) -> None:
    text = BADGES[badge]
    match badge:
        case "sale badge":
            pen.shape((222, 52, 56), *_star(x, y, 14.5, 12, 16))
            _write(pen, text, "white", x, y, 20)
        case "discount badge":
            pen.disc((255, 214, 64), x, y, 13.5)
            pen.arc((44, 48, 58), 0.7, x - 12, y - 12, x + 12, y + 12)
            _write(pen, text, "ink", x, y, 20)
        case "new badge":
            pen.box((36, 110, 214), x - 13.5, y - 7, x + 13.5, y + 7, 7)
            _write(pen, text, "white", x, y, 18)
        case "eco badge":
            pen.disc((58, 146, 80), x, y, 13.5)
            pen.disc((236, 248, 232), x, y, 12)
            pen.shape((58, 146, 80), x - 7, y - 1, x - 5, y - 7, x, y - 9.5, x + 7.5, y - 10, x + 6, y - 3.5, x + 1, y)
            pen.line((236, 248, 232), 0.7, x - 6, y, x + 4.5, y - 7.5)
            pen.line((58, 146, 80), 1, x - 8, y + 1.5, x - 5, y - 1)
            _write(pen, text, (38, 104, 56), x, y + 5.5, 14)
        case _:
            pen.shape((196, 136, 22), *_star(x, y + 0.8, 18, 10.5, 5))
            pen.shape((250, 200, 60), *_star(x, y, 17, 9.8, 5))
            _write(pen, text, (92, 56, 8), x, y + 0.7, 16)


def _price(pen: Pen, product: Product, left: bool) -> None:
    cents = "" if float(product.price).is_integer() else ".2f"
    sign = "$" if product.title.isascii() else ""
    text = f"{sign}{product.price:,{cents or '.0f'}}" if product.price else "FREE"
    width = 12 + 4.6 * len(text)
    x = 5 if left else 95 - width
    for colour, off in (((30, 30, 40, 70), 0.6), ("white", 0)):
        a, b, c, y = x + off, x + 6 + off, x + width + off, 88 + off
        pen.shape(colour, a, y, b, y - 7, c, y - 7, c, y + 7, b, y + 7)
    pen.disc("steel", x + 5.5, 88, 1.4)
    _write(pen, text, (200, 44, 52), x + (width + 6) / 2, 88, width - 9)


def _star(x: float, y: float, outer: float, inner: float, points: int) -> list[float]:
    """A star's corners, the first at the top."""
    angles = np.arange(2 * points) * np.pi / points - np.pi / 2
    r = np.where(np.arange(2 * points) % 2, inner, outer)
    return np.stack([x + r * np.cos(angles), y + r * np.sin(angles)], 1).ravel().tolist()


def _write(pen: Pen, text: str, colour: Colour | str, x: float, y: float, width: float) -> None:
    """Bold letters around a point, so wide."""
    unit = pen.image.width / 100
    size = 100 * width * unit / (_font(100).getlength(text) + 6)
    size = max(4, round(min(size, 8.5 * unit)))
    where, bold = (x * unit, y * unit), size / 28
    ImageDraw.Draw(pen.image).text(where, text, pen.colour(colour), _font(size), "mm", stroke_width=bold)


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow lacks FreeType"
    return font
