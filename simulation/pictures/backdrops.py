"""What products are shown before: one function a style, which draws it and says where the product goes."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageOps

from .silhouettes import COLOURS, Colour, Pen, mix

WHITE, INK, GOLD = COLOURS["white"], COLOURS["ink"], COLOURS["gold"]


@dataclass(frozen=True)
class Spot:
    """Where a product goes, in hundredths of the picture's side."""

    x: float = 50
    y: float = 50
    size: float = 62
    floor: float = 0
    """The product stands at least this low."""
    shadow: float = 0.35
    """How dark the shadow under it is."""


_BRIGHT = (
    (0.01, 0.85, 0.96),
    (0.11, 0.88, 0.99),
    (0.42, 0.75, 0.74),
    (0.52, 0.8, 0.85),
    (0.6, 0.8, 0.94),
    (0.73, 0.68, 0.86),
    (0.93, 0.7, 0.93),
)
"""Hues, each as strong and as light as it stays pleasant."""

Backdrop = Callable[[Pen, np.random.Generator], Spot]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour by hue (in turns), saturation and value."""
    return tuple(round(part * 255) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))


def glow(pen: Pen, colour: Colour, x: float, y: float, rx: float, ry: float, strength: float) -> None:
    """Soft light, or shadow, around a point."""
    unit = pen.image.width / 100
    soft = _soft(max(1, round(2 * rx * unit)), max(1, round(2 * ry * unit)))
    mask = soft.point([round(i * strength) for i in range(256)])
    pen.image.paste(colour, (round((x - rx) * unit), round((y - ry) * unit)), mask)


@lru_cache(maxsize=16)
def _soft(width: int, height: int) -> Image.Image:
    """White in the middle, black from the rim of an ellipse on."""
    fade = [round(255 * (1 - min(i / 181, 1)) ** 1.5) for i in range(256)]
    round_one = Image.radial_gradient("L").point([fade[min(255, round(i * 181 / 128))] for i in range(256)])
    return round_one.resize((width, height), Image.Resampling.BILINEAR)


def _fade(pen: Pen, top: Colour, bottom: Colour, y0: float = 0, y1: float = 100) -> None:
    """From one colour to another, downwards."""
    strip = Image.new("RGB", (1, 64))
    strip.putdata([mix(top, bottom, i / 63) for i in range(64)])
    width, unit = pen.image.width, pen.image.width / 100
    strip = strip.resize((1, round((y1 - y0) * unit)), Image.Resampling.BILINEAR)
    pen.image.paste(strip.resize((width, strip.height), Image.Resampling.NEAREST), (0, round(y0 * unit)))


def _hue_apart(pen: Pen, rng: np.random.Generator) -> float:
    """A hue that the product stands out from."""
    hue, saturation, _ = colorsys.rgb_to_hsv(*(part / 255 for part in pen.colour("main")))
    return rng.random() if saturation < 0.15 else hue + rng.uniform(0.32, 0.68)


def _between(hue: float, other: float) -> float:
    """How far two hues are from each other, in turns."""
    return abs((hue - other + 0.5) % 1 - 0.5)


def _white(pen: Pen, rng: np.random.Generator) -> Spot:
    pen.box("white", 0, 0, 100, 100)
    return Spot(size=64, shadow=0.25)


def _dark(pen: Pen, rng: np.random.Generator) -> Spot:
    hue, x = rng.choice([0.62, 0.72, 0.45, 0.05]), rng.uniform(-12, 12)
    _fade(pen, hsv(hue, 0.3, 0.09), hsv(hue, 0.28, 0.2))
    _fade(pen, hsv(hue, 0.25, 0.3), hsv(hue, 0.3, 0.14), 78)
    pen.shape((255, 244, 220, 16), 50 + x - 4, 0, 50 + x + 4, 0, 92, 88, 8, 88)
    pen.shape((255, 244, 220, 16), 50 + x - 2, 0, 50 + x + 2, 0, 78, 88, 22, 88)
    glow(pen, hsv(hue, 0.12, 0.95), 50, 48, 60, 56, 0.75)
    glow(pen, (255, 240, 214), 50, 84, 48, 13, 0.7)
    for x0, y0, x1, y1 in ((4, 4, 96, 4.5), (4, 95.5, 96, 96), (4, 4, 4.5, 96), (95.5, 4, 96, 96)):
        pen.box((226, 190, 120), x0, y0, x1, y1)
    return Spot(y=52, size=56, floor=82, shadow=0.7)


def _home(pen: Pen, rng: np.random.Generator) -> Spot:
    wall = ((244, 222, 190), (238, 205, 178), (206, 212, 180), (240, 206, 196))[rng.integers(4)]
    _fade(pen, mix(wall, WHITE, 0.15), mix(wall, (214, 150, 100), 0.25))
    for x, y in ((34, 6), (55, 8.6), (28.8, 32), (49.8, 34.6)):
        pen.shape((255, 250, 226, 110), x, y, x + 19, y + 2.4, x + 14, y + 26.4, x - 5, y + 24)
    pen.box((255, 252, 244), 78, 10, 96, 34, 1)
    pen.box(mix(wall, (120, 160, 150), 0.6), 80, 12, 94, 32)
    pen.disc(mix(wall, (226, 120, 80), 0.7), 87, 21, 4.5)
    wood = ((176, 116, 72), (150, 98, 62), (196, 142, 92))[rng.integers(3)]
    pen.box(mix(wood, WHITE, 0.25), 0, 72, 100, 75)
    _fade(pen, wood, mix(wood, INK, 0.25), 75)
    for y in (81, 88, 95):
        pen.box((*mix(wood, INK, 0.4), 90), 0, y, 100, y + 0.5)
    pot = ((216, 116, 84), (92, 130, 140), (240, 236, 226))[rng.integers(3)]
    for x, y in ((4, 34), (16, 30), (9, 42), (19, 44)):
        pen.line((96, 128, 84), 1, 12, 68, x, y)
        pen.oval((112, 148, 98), x - 4, y - 7, x + 4, y + 8)
    pen.shape(pot, 4, 62, 20, 62, 17.5, 79, 6.5, 79)
    pen.box(mix(pot, INK, 0.15), 3, 60, 21, 64.5, 1)
    if turned := bool(rng.integers(2)):
        pen.image.paste(ImageOps.mirror(pen.image))
    return Spot(x=44 if turned else 56, y=56, size=54, floor=85, shadow=0.5)


def _outdoors(pen: Pen, rng: np.random.Generator) -> Spot:
    dusk = rng.random() < 0.3
    _fade(pen, *(((250, 178, 130), (255, 232, 196)) if dusk else ((108, 180, 228), (222, 242, 250))), 0, 72)
    x = rng.uniform(14, 86)
    pen.disc((255, 244, 200, 110), x, 20, 13)
    pen.disc((255, 226, 130), x, 20, 9)
    for _ in range(3):
        x, y, r = rng.uniform(5, 95), rng.uniform(10, 34), rng.uniform(3, 5)
        pen.box((255, 255, 255, 200), x - 2.6 * r, y, x + 2.6 * r, y + 1.4 * r, 0.7 * r)
        pen.disc((255, 255, 255, 200), x - 0.4 * r, y, 1.3 * r)
    far, near = (150, 172, 168) if dusk else (136, 186, 196), (112, 152, 108) if dusk else (122, 182, 116)
    x = rng.uniform(10, 40)
    pen.shape(far, x - 34, 74, x, 38, x + 34, 74)
    pen.shape(mix(far, WHITE, 0.2), x + 10, 74, x + 46, 44, x + 84, 74)
    pen.oval(near, -40, 58, 76, 120)
    pen.oval(mix(near, INK, 0.12), 30, 62, 150, 130)
    _fade(pen, (126, 176, 92), (82, 136, 76), 78)
    for _ in range(26):
        x, y = rng.uniform(0, 100), rng.uniform(80, 98)
        pen.line((70, 122, 68), 0.6, x, y, x + rng.uniform(-1, 1), y - 3.5)
    for _ in range(9):
        x, y = rng.uniform(2, 98), rng.uniform(84, 97)
        pen.disc((255, 250, 240), x, y, 1.1)
        pen.disc(GOLD, x, y, 0.5)
    for x, y in ((0, 0), (8, -3), (-3, 9), (16, -5), (-5, 18)):
        edge = x if dusk else 100 - x
        pen.disc((78, 138, 84), edge, y, 10)
        pen.disc((104, 164, 96), edge + (1 if dusk else -1), y + 1, 7)
    return Spot(y=56, size=58, floor=88, shadow=0.5)


def _vivid(pen: Pen, rng: np.random.Generator) -> Spot:
    apart = _hue_apart(pen, rng)
    hue, saturation, value = min(_BRIGHT, key=lambda bright: _between(bright[0], apart))
    one, other = hsv(hue, saturation, value), hsv(hue + 0.045, saturation * 0.85, min(1, value * 1.12))
    pen.box(one, 0, 0, 100, 100)
    if rng.random() < 0.6:
        turn = rng.random()
        for i in range(12):
            a, b = (2 * np.pi * (i + turn) / 12, 2 * np.pi * (i + turn + 0.5) / 12)
            ends = (50 + 90 * np.cos(a), 50 + 90 * np.sin(a), 50 + 90 * np.cos(b), 50 + 90 * np.sin(b))
            pen.shape(other, 50, 50, *map(float, ends))
    else:
        _fade(pen, one, other)
        for r, cover in ((62, 28), (50, 36)):
            pen.disc((255, 255, 255, cover), 50, 50, r)
    pen.disc((255, 255, 255, 225), 50, 50, 33)
    pen.arc(hsv(hue + 0.1, 0.45, 1), 1.6, 14, 14, 86, 86)
    return Spot(size=56)


def _pastel(pen: Pen, rng: np.random.Generator) -> Spot:
    hue = _hue_apart(pen, rng)
    pen.box(hsv(hue, 0.17, 0.97), 0, 0, 100, 100)
    for _ in range(3):
        x, y, r = rng.choice([6, 94]) + rng.uniform(-8, 8), rng.uniform(0, 100), rng.uniform(14, 30)
        pen.disc(hsv(hue + rng.uniform(-0.06, 0.06), 0.24, 0.96), x, y, r)
    pen.disc(hsv(hue, 0.09, 0.99), 50, 52, 36)
    for _ in range(5):
        x, y = rng.uniform(6, 94), rng.uniform(6, 94)
        pen.disc(hsv(hue + 0.04, 0.34, 0.93), x, y, rng.uniform(0.8, 1.6))
    return Spot(size=58, shadow=0.22)


def _collage(pen: Pen, rng: np.random.Generator) -> Spot:
    picked = [_BRIGHT[i] for i in rng.permutation(len(_BRIGHT))]
    colours = [*(hsv(hue, 0.8 * saturation, value) for hue, saturation, value in picked[:5]), INK, WHITE]
    pen.box(hsv(picked[0][0], 0.1, 0.97), 0, 0, 100, 100)
    for number in range(70):
        colour, kind = colours[rng.integers(len(colours))], rng.integers(5)
        x, y = rng.uniform(0, 100, 2)
        r = rng.uniform(6, 13) if number < 14 else rng.uniform(1.5, 5)
        a = rng.uniform(0, 2 * np.pi)
        c, s = r * float(np.cos(a)), r * float(np.sin(a))
        if kind == 0:
            pen.disc(colour, x, y, r)
        elif kind == 1:
            pen.arc(colour, max(1.0, r / 4), x - r, y - r, x + r, y + r)
        elif kind == 2:
            pen.shape(colour, x + c, y + s, x - s, y + c, x - c, y - s, x + s, y - c)
        elif kind == 3:
            pen.shape(colour, x + c, y + s, x - s, y + c, x - c, y - s)
        else:
            pen.line(colour, max(1.2, r / 4), x - c, y - s, x + s / 2, y - c / 2, x, y, x + c, y + s)
    pen.box((60, 60, 70, 60), 25, 26, 77, 78, 2)
    pen.box("white", 24, 24, 76, 76, 2)
    return Spot(size=40, shadow=0.2)


def _close(pen: Pen, rng: np.random.Generator) -> Spot:
    hue, left = _hue_apart(pen, rng), rng.choice([-1, 1])
    base = hsv(hue, rng.uniform(0.25, 0.4), rng.uniform(0.75, 0.9))
    _fade(pen, mix(base, WHITE, 0.35), base)
    glow(pen, WHITE, 50 - left * 30, 20, 70, 70, 0.5)
    return Spot(x=50 + left * rng.uniform(8, 13), y=57, size=114, shadow=0.3)


def _podium(pen: Pen, rng: np.random.Generator) -> Spot:
    hue = _hue_apart(pen, rng)
    wall, arch = hsv(hue, 0.3, 0.9), hsv(hue, 0.44, 0.76)
    _fade(pen, mix(wall, WHITE, 0.2), wall, 0, 80)
    _fade(pen, mix(wall, INK, 0.1), mix(wall, WHITE, 0.1), 80)
    pen.box(arch, 20, 10, 80, 80, 30)
    pen.box(arch, 20, 44, 80, 80)
    pen.box(mix(arch, INK, 0.12), 20, 79, 80, 80.5)
    x = rng.choice([10, 90])
    glow(pen, INK, x, 88, 12, 4, 0.4)
    pen.disc(mix(pen.colour("accent"), WHITE, 0.3), x, 80, 8)
    pen.disc(mix(pen.colour("accent"), WHITE, 0.55), x - 2, 77, 3)
    glow(pen, INK, 50, 93, 46, 7, 0.5)
    top, edge = mix(wall, WHITE, 0.6), mix(wall, WHITE, 0.25)
    pen.oval(mix(edge, INK, 0.14), 14, 83, 86, 97)
    pen.box(mix(edge, INK, 0.14), 14, 80, 86, 90)
    pen.oval(edge, 14, 82, 80, 96)
    pen.box(edge, 14, 80, 80, 89)
    pen.oval(top, 14, 73, 86, 87)
    return Spot(y=48, size=54, floor=82, shadow=0.4)


def _festive(pen: Pen, rng: np.random.Generator) -> Spot:
    apart = _hue_apart(pen, rng)
    hue = min((0.98, 0.4, 0.63), key=lambda one: _between(one, apart))
    _fade(pen, hsv(hue, 0.75, 0.38), hsv(hue, 0.68, 0.62))
    for _ in range(14):
        x, y, r = rng.uniform(0, 100), rng.uniform(0, 80), rng.uniform(3, 8)
        pen.disc((*hsv(rng.uniform(0.06, 0.15), 0.5, 1), 38), x, y, r)
    for _ in range(45):
        pen.disc((255, 255, 255, 190), rng.uniform(0, 100), rng.uniform(0, 96), rng.uniform(0.3, 0.8))
    cord = [(x, 7 + 5 * abs(float(np.sin(x / 25 * np.pi)))) for x in range(0, 101, 5)]
    pen.line(INK, 0.6, *(value for point in cord for value in point))
    for i, (x, y) in enumerate(cord[1::2]):
        light = ((255, 208, 96), (244, 108, 96), (126, 214, 170), (126, 186, 250))[i % 4]
        glow(pen, light, x, y + 3, 7, 7, 0.7)
        pen.oval(light, x - 1.5, y + 1, x + 1.5, y + 5.5)
    glow(pen, (255, 232, 190), 50, 50, 52, 48, 0.7)
    pen.oval((250, 250, 255), -30, 80, 80, 130)
    pen.oval((232, 238, 250), 30, 82, 140, 130)
    return Spot(y=56, size=54, floor=88, shadow=0.3)


BACKDROPS: dict[str, Backdrop] = {
    "white studio": _white,
    "dark studio": _dark,
    "warm home": _home,
    "outdoors": _outdoors,
    "vivid": _vivid,
    "pastel": _pastel,
    "collage": _collage,
    "close-up": _close,
    "podium": _podium,
    "festive": _festive,
}


def place(pen: Pen, drawing: Image.Image, spot: Spot) -> None:
    """Puts what is drawn on a clear ground into a picture, with light from the left, on its shadow."""
    box = drawing.getbbox()
    if box is None:
        return
    unit, drawing = pen.image.width / 100, drawing.crop(box)
    width, height = drawing.width / unit, drawing.height / unit
    bottom = max(spot.y + height / 2, spot.floor)
    glow(pen, (24, 24, 34), spot.x, bottom - 0.5, 0.62 * width, max(2.5, 0.05 * spot.size), spot.shadow)
    shaded = drawing.getchannel("A")
    dark = _slope().resize(drawing.size, Image.Resampling.BILINEAR)
    where = (round((spot.x - width / 2) * unit), round((bottom - height) * unit))
    pen.image.paste(drawing, where, shaded)
    pen.image.paste((20, 20, 40), where, ImageChops.multiply(shaded, dark))


@lru_cache(maxsize=1)
def _slope() -> Image.Image:
    """How dark shade is, from the upper left to the lower right."""
    across, down = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 64))
    return Image.fromarray((44 * np.clip(0.8 * across + 0.4 * down - 0.2, 0, 1)).astype(np.uint8))
