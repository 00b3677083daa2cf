"""Flat drawings of things, as lines of text; a pen that draws them; and the words of a title that call for each.

A drawing is made in a square of 100 by 100, x to the right and y down, stroke by stroke: a kind (a method of `Pen`), a
colour, and numbers. `*3 8 0` draws a stroke three times, each 8 further right and 0 further down. Colours are the main
one of the product, a second one (accent), and some that things have by themselves; `+4` is four tenths on the way to
white, `-2` two tenths to ink.
"""

import re
from collections.abc import Iterator
from functools import cache

from PIL import Image, ImageColor, ImageDraw

Colour = tuple[int, ...]
"""Red, green, blue, and how much covers what is below, if not all."""
Ink = Colour | str
"""A colour, or how a drawing names it."""

COLOURS: dict[str, Colour] = {
    "white": (255, 255, 255),
    "paper": (247, 243, 234),
    "ink": (44, 48, 58),
    "steel": (150, 158, 168),
    "silver": (214, 219, 225),
    "wood": (196, 145, 92),
    "bark": (140, 96, 60),
    "leaf": (92, 150, 94),
    "gold": (240, 186, 66),
    "glass": (196, 224, 232),
    "rust": (214, 96, 82),
    "none": (0, 0, 0, 0),
}
"""Colours that things have whatever the product's own."""
_SHORT = {"light": "main+4", "shade": "main-2", "deep": "main-6"}
_PLACES = {"box": (0, 4), "oval": (0, 4), "disc": (0, 2), "half": (0, 4), "arc": (1, 5), "line": (1, None)}


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two, `share` of the way to the other."""
    return tuple(round(a + (b - a) * share) for a, b in zip(one[:3], other[:3], strict=True))


class Pen:
    """Draws on a square picture in hundredths of its side; boxes are given by left, top, right and bottom."""

    def __init__(self, image: Image.Image, main: Colour, accent: Colour) -> None:
        """Takes a picture: RGB, where colours may let through what is below, or RGBA, where they replace it."""
        self.image = image
        self._colours = COLOURS | {"main": main, "accent": accent}
        self._draw = ImageDraw.Draw(image, "RGBA")
        self._unit = image.width / 100

    def draw(self, name: str) -> None:
        """One of the drawings below."""
        for kind, colour, numbers in _strokes(name):
            if kind == "turn":
                self.image.paste(self.image.rotate(numbers[0]))
            else:
                getattr(self, kind)(colour, *numbers)

    def box(self, colour: Ink, x0: float, y0: float, x1: float, y1: float, corner: float = 0) -> None:
        """A rectangle, with round corners where asked for."""
        self._draw.rounded_rectangle(self._at(x0, y0, x1, y1), corner * self._unit, self.colour(colour))

    def oval(self, colour: Ink, x0: float, y0: float, x1: float, y1: float) -> None:
        """A filled ellipse."""
        self._draw.ellipse(self._at(x0, y0, x1, y1), self.colour(colour))

    def disc(self, colour: Ink, x: float, y: float, r: float) -> None:
        """A filled circle around a point."""
        self.oval(colour, x - r, y - r, x + r, y + r)

    def half(self, colour: Ink, x0: float, y0: float, x1: float, y1: float, start: float = 180) -> None:
        """Half of an ellipse, the upper one unless it starts elsewhere (degrees from the right, clockwise)."""
        self._draw.pieslice(self._at(x0, y0, x1, y1), start, start + 180, self.colour(colour))

    def arc(
        self, colour: Ink, width: float, x0: float, y0: float, x1: float, y1: float, start: float = 0, end: float = 360
    ) -> None:
        """A part of an ellipse's line."""
        self._draw.arc(self._at(x0, y0, x1, y1), start, end, self.colour(colour), round(width * self._unit))

    def shape(self, colour: Ink, *points: float) -> None:
        """A polygon of x, y, x, y, ..."""
        self._draw.polygon(self._at(*points), self.colour(colour))

    def line(self, colour: Ink, width: float, *points: float) -> None:
        """A line through points, with round ends."""
        self._draw.line(self._at(*points), self.colour(colour), round(width * self._unit), joint="curve")
        for x, y in (points[:2], points[-2:]):
            self.disc(colour, x, y, width / 2)

    def colour(self, ink: Ink) -> Colour:
        """What a drawing's word for a colour stands for."""
        if not isinstance(ink, str):
            return ink
        if ink.startswith("#"):
            return ImageColor.getrgb(ink)
        name, sign, tenths = re.split(r"([+-]|$)", _SHORT.get(ink, ink), maxsplit=1)
        colour = self._colours[name]
        return mix(colour, COLOURS["white" if sign == "+" else "ink"], int(tenths) / 10) if sign else colour

    def _at(self, *points: float) -> list[float]:
        return [value * self._unit for value in points]


_DRAWINGS = """
pan: skillet, pan, wok, griddle
    box wood 70 45 99 57 6; box deep 68 47 78 55 2; disc main 38 51 37; disc light 37 50 33; disc shade 38 51 32;
    disc main 39 53 29; arc light 2.5 17 31 61 75 190 260; disc deep 94 51 2.2; turn 32
knife: knife, knives, cleaver
    shape silver 2 52 18 40 64 40 64 60 16 59; shape steel 2 52 64 53 64 60 16 59; box deep 62 39 69 61 2;
    box main 67 41 99 55 6; disc silver 75 48 1.8 *3 8 0; turn 28
board: cutting board, chopping board
    box shade 16 22 86 97 10; box main 14 20 84 95 10; box main 41 3 57 30 7; disc deep 49 11 3;
    box light 21 28 77 88 6; box main 24 31 74 85 5; box shade 32 43 66 44.6 1 *3 0 13
kettle: kettle
    arc deep 6 56 26 98 80 250 95; line shade 7 32 70 14 66 15 44 3 34; shape main 34 30 66 30 80 86 20 86;
    shape light 38 34 44 34 36 80 27 80; box shade 32 24 68 32 4; disc deep 50 20 5; box deep 18 84 82 95 4;
    disc accent 50 89.5 2.5
teapot: teapot, 小壶, 茶壶, 紫砂
    arc shade 6 66 36 98 80 250 120; line shade 9 26 70 14 60 6 40; oval main 18 32 82 94; half shade 18 32 82 94 0;
    oval main 18 38 82 88; oval light 27 44 40 62; half shade 34 24 66 52; disc deep 50 23 5; box deep 34 90 66 96 3
press: french press, coffee maker
    arc deep 6 58 36 96 78 270 90; box steel 47 4 51 26; disc main 49 6 5; box glass 24 28 74 94 5;
    box #5c3e30 24 52 74 94 5; box main 21 30 77 39 3 *2 0 56; half shade 23 16 75 44; box light 31 42 37 83 3
mixer: mixer, blender
    box shade 62 26 86 92 8; box deep 12 88 90 97 4; box main 10 10 92 42 16; box light 18 15 78 20 2.5;
    disc accent 82 28 4; box steel 28 42 36 60 2; half silver 8 30 58 90 0; box white 6 57 60 62 2.5
scale: scale, scales
    half light 22 26 78 96 0; half accent 28 34 72 86; box white 18 56 82 64 4; box main 8 78 92 96 6;
    box shade 8 90 92 96 4; box ink 36 81 64 91 2; box glass 40 84 54 88 1
containers: container, lunch box, storage box
    box glass 10 68 90 96 6; box accent 13 80 87 93 4; box white 16 74 19 90 1; box main 8 65 92 73 3;
    box glass 18 36 82 64 6; box leaf 21 48 79 61 4; box white 24 42 27 58 1; box main 16 33 84 41 3;
    box glass 26 8 74 36 6; box gold 29 20 71 33 4; box white 32 14 35 30 1; box main 24 5 76 13 3
bowl: spinner, salad, bowl
    disc leaf 28 46 15; disc #80b674 34 49 9; disc leaf 48 40 15; disc #80b674 54 43 9; disc leaf 68 45 15;
    disc #80b674 74 48 9; half main 6 0 94 92 0; half shade 22 44 94 92 0; half main 6 8 84 88 0;
    box light 3 43 97 52 4; box deep 32 88 68 95 3
pot: dutch oven, pot, casserole, cooker
    box deep 2 50 98 60 5; box main 10 42 90 94 12; box shade 10 80 90 94 10; box light 18 52 24 76 3;
    half shade 8 18 92 66; half main 12 22 84 64; box deep 6 40 94 46 3; box gold 42 10 58 20 5
grinder: grinder, mill
    shape glass 24 10 76 10 66 40 34 40; shape #684634 28 22 72 22 66 40 34 40; box deep 22 5 78 12 3;
    box main 24 38 76 96 7; box light 29 43 34 90 2; disc accent 58 52 6; box deep 40 66 70 90 3;
    box glass 45 72 65 90 2
mug: mug, coffee, tea, cafe
    arc silver 2.5 30 10 38 22 90 270; arc silver 2.5 30 22 38 34 270 90; arc silver 2.5 44 10 52 22 90 270;
    arc silver 2.5 44 22 52 34 270 90; arc silver 2.5 58 10 66 22 90 270; arc silver 2.5 58 22 66 34 270 90;
    arc shade 7 62 48 96 82; box main 16 40 78 95 10; box light 22 50 28 86 3; oval deep 16 36 78 48
cup: 盖碗, 杯, cup
    oval shade 10 84 90 97; oval main 10 82 90 94; half main 16 14 84 90 0; half light 22 36 50 80 0;
    half main 28 36 56 78 0; half shade 20 24 80 72; box light 12 47 88 53 3; box deep 42 19 58 27 4
plates: dinner set, plate, dish, tableware
    oval shade 6 78 94 96; oval main 6 75 94 92; oval shade 10 68 90 86; oval main 10 65 90 82; oval shade 14 58 86 76;
    oval main 14 55 86 72; oval light 24 58 76 69; half accent 30 14 70 66 0; oval accent+4 30 36 70 45
bottle: bottle, oil, sauce, concentrate, wine, vinegar, syrup
    box deep 40 2 60 16 3; box main 43 14 57 40; half main 29 26 71 66; box main 29 44 71 97 5; box paper 29 56 71 84;
    box accent 29 56 71 61; disc main 50 71 6; box light 33 42 37 54 2
flask: water bottle, flask, thermos, 水壶, 焖茶杯, 保温
    arc deep 4 38 0 62 24; box deep 36 10 64 24 4; box shade 38 24 62 30; box main 28 28 72 97 12;
    box light 34 38 39 88 2.5; box accent 28 62 72 68; box accent 28 71 72 73
dropper: serum, drops, essence
    box deep 42 2 58 22 8; box gold 38 20 62 34 2; box main 26 34 74 97 10; box light 31 42 36 90 2.5;
    box paper 26 54 74 82; oval accent 45 59 55 71; shape accent 45.7 63 54.3 63 50 55; box steel 36 75 64 77
tube: lotion, cream, sunscreen, gel, toothpaste, ointment
    shape main 24 4 76 4 66 82 34 82; box shade 23 2 77 10 1; box deep 34 80 66 97 3;
    shape light 30 14 36 14 40 76 36 76; disc accent 53 36 9; box white 44 52 62 54.4 1 *2 0 6
jar: jar, mask, honey, butter, jam, balm, oil sampler, starter jar
    box glass 18 20 82 97 12; box main 21 30 79 94 10; box light 26 36 31 88 2.5; box deep 22 6 78 22 4;
    box paper 36 48 79 78 3; disc accent 57 58 6; box steel 46 69 68 71.5 1
pots: paint, paint pot
    box accent+8 26 14 51 50 4; box accent 28 24 49 48 3; box accent-2 25 9 52 18 3; box gold+8 52 14 77 50 4;
    box gold 54 24 75 48 3; box gold-2 51 9 78 18 3; box main+8 10 58 35 94 4; box main 12 68 33 92 3;
    box main-2 9 53 36 62 3; box leaf+8 38 58 63 94 4; box leaf 40 68 61 92 3; box leaf-2 37 53 64 62 3;
    box rust+8 66 58 91 94 4; box rust 68 68 89 92 3; box rust-2 65 53 92 62 3
pouch: salmon, granola, tea leaf, green tea, nuts, mix, loose leaf, 坚果, 梅干, 龙井, 普洱, 花茶, 乌龙, 茶
    shape main 20 12 80 12 84 96 16 96; box shade 20 4 80 14 1; shape light 24 18 29 18 26 90 21 90;
    box paper 32 30 68 76 4; disc accent 50 46 10; oval main 44 42 56 50; box steel 39 62 61 64 1 *2 0 6;
    box shade 16 90 84 96 1
carton: bread mix, advent, kit, 包
    shape main 16 28 66 28 66 97 16 97; shape shade 66 28 84 18 84 87 66 97; shape light 16 28 34 18 84 18 66 28;
    box paper 24 44 58 82 2; disc accent 41 58 9; box steel 31 72 51 75 1
candle: candle
    oval gold 43 4 57 26; shape gold 44 12 56 12 50 0; oval paper 46.5 13 53.5 25; line ink 1.5 50 22 50 36;
    box glass 20 28 80 97 8; box main 22 38 78 95 7; oval light 22 34 78 44; box paper 32 56 68 82 2;
    disc accent 50 69 7
headphones: headphone, earphone, headset, earbud
    arc main 9 12 6 88 100 180 360; arc light 3 14 8 86 98 190 300; box deep 8 50 28 94 9; box main 6 54 24 90 9;
    box deep 72 50 92 94 9; box main 70 54 94 90 9; box shade 6 54 24 90 9 *2 70 0; disc accent 15 72 5 *2 70 0
speaker: speaker, radio
    arc accent 4 66 2 92 30 180 90; box main 22 14 78 97 14; box light 27 24 31 86 2; disc shade 52 66 20;
    disc deep 52 66 14; disc light 52 66 5; disc deep 52 32 8; disc accent 52 32 3
keyboard: keyboard
    box shade 1 38 99 84 6; box main 1 34 99 80 6; box accent 5.5 38 13.5 46 2; box light 15.5 38 23.5 46 2 *8 10 0;
    box light 5.5 48 13.5 56 2 *9 10 0; box light 5.5 58 13.5 66 2 *8 10 0; box accent 85.5 58 93.5 66 2;
    box light 25.5 68 73.5 76 2
mouse: mouse
    box main 26 6 74 97 24; half light 26 6 74 54; box light 26 30 74 44; box deep 49 6 51 44; box deep 26 43 74 45.5;
    box accent 45.5 18 54.5 34 4.5; turn -14
watch: watch, smartwatch, tracker
    box main 34 1 66 30 6 *2 0 69; disc deep 50 82 1.5 *3 0 6; box steel 79 40 86 52 2; box deep 20 20 80 80 16;
    box ink 24 24 76 76 13; arc accent 5 32 32 68 68 270 150; line white 3 40 52 46 52 50 42 54 58 57 52 61 52
disc: robot vacuum, vacuum, vacuum cleaner
    half deep 4 46 96 96 0; box deep 4 60 96 72; oval main 4 36 96 86; oval light 10 39 90 80; oval main 12 41 90 82;
    oval deep 38 42 62 58; oval shade 38 38 62 53; disc accent 50 69 4
tablet: reader, tablet, e-reader, diary, tuner, monitor
    box main 20 4 80 97 7; box paper 26 11 74 84 2; box accent 31 18 60 22 1; box steel 31 30 69 32.2 1;
    box steel 31 37 66 39.2 1; box steel 31 44 69 46.2 1; box steel 31 51 55 53.2 1; box steel 31 58 69 60.2 1;
    box steel 31 65 67 67.2 1; box steel 31 72 60 74.2 1; box light 43 89 57 91.5 1
phone: phone, app, esim, online, pairing, roaming overview, number transfer, activation
    box deep 26 2 74 98 9; box paper 30 8 70 92 5; box main 30 8 70 40 5; disc white 50 24 9;
    line accent 3 45.5 24 49 28 55 20; disc accent 38 52 3.5; box steel 45 49 65 51 1; box silver 45 53.5 58 55.5 1;
    disc accent 38 64 3.5; box steel 45 61 65 63 1; box silver 45 65.5 58 67.5 1; disc accent 38 76 3.5;
    box steel 45 73 65 75 1; box silver 45 77.5 58 79.5 1
charger: power bank, charger, charging hub, hub, battery
    line deep 4 50 30 50 14 70 8 90 8; box main 22 24 78 97 9; box light 27 32 31 90 2;
    shape accent 58 36 44 62 51 62 46 78 60 54 53 54; disc accent 38 88 2 *4 8 0
lamp: lamp, light
    shape #ffecaa 8 42 42 26 50 66 2 78; line shade 4.5 66 92 76 52 38 20; disc deep 76 52 5;
    shape main 44 8 50 28 40 34 6 50 2 38 30 20; oval gold 14 36 32 50; shape main 44 8 50 26 38 30 4 44 2 38 30 18;
    box main 46 90 88 97 4
camera: webcam, camera
    box deep 42 66 58 90; box shade 26 88 74 97 4; box main 8 22 92 72 24; disc deep 50 47 20; disc ink 50 47 15;
    disc #4a6ea0 50 47 9; disc white 45 42 3.5; disc accent 80 47 3
projector: projector
    shape #fff0be 30 50 2 14 2 92; box main 26 22 94 90 14; box light 34 27 86 31 2; disc shade 48 56 21;
    disc ink 48 56 15; disc #6894c4 48 56 8; box deep 75 46 88 49 1 *3 0 8; box deep 36 88 84 95 3
router: router, wifi, line check, tv box, wifi coverage planner, router setup guide, tv box restart
    line deep 5 22 70 14 22; line deep 5 78 70 86 22; arc accent 4 40 40 60 60 225 315;
    arc accent 4 30 30 70 70 225 315; arc accent 4 20 20 80 80 225 315; disc accent 50 48 4; box main 6 64 94 94 8;
    box light 6 64 94 70 3; disc gold 18 82 2.5 *3 10 0
purifier: purifier, humidifier, heater
    box deep 26 90 74 97 3; box main 22 6 78 93 14; box light 28 18 32 82 2; oval deep 34 10 66 20;
    box shade 38 52 70 54.6 1.3 *6 0 6; disc white 54 36 9; arc accent 3 47 29 61 43 150 60
coat: coat, cardigan, robe
    shape shade 28 14 12 26 2 72 15 76 26 46; shape shade 72 14 88 26 98 72 85 76 74 46;
    shape main 30 10 70 10 78 30 80 97 20 97 22 30; shape accent 41 8 59 8 50 30; shape light 34 8 42 7 50 34 42 40;
    shape light 66 8 58 7 50 34 58 40; box deep 49.3 34 50.7 97; disc gold 54.5 46 2 *3 0 14;
    box shade 27 66 40 69 1 *2 34 0
jacket: jacket, shirt, sweater, hoodie
    shape shade 28 16 10 28 1 78 16 83 28 48; shape shade 72 16 90 28 99 78 84 83 72 48;
    shape main 28 14 72 14 78 32 76 84 24 84 22 32; box deep 23 82 77 90 2; shape accent 38 12 62 12 50 24;
    shape light 32 9 42 9 50 22 40 30; shape light 68 9 58 9 50 22 60 30; box deep 49.2 24 50.8 84;
    shape light 29 40 44 40 44 44 36.5 48 29 44 *2 27 0; disc gold 53.5 34 1.6 *2 0 18; disc gold 53.5 66 1.6 *2 0 12
dress: dress
    line shade 4 38 4 40 18; line shade 4 62 4 60 18; shape main 34 12 44 18 56 18 66 12 66 40 90 94 10 94 34 40;
    shape light 38 46 44 46 34 92 22 92; shape shade 56 46 62 46 84 92 68 92; box accent 33 38 67 45 2
skirt: skirt
    shape main 30 14 70 14 96 94 4 94; shape light 32 16 36 16 18 94 8 94; shape shade 40 16 44 16 36 94 26 94;
    shape light 48 16 52 16 54 94 44 94; shape shade 56 16 60 16 72 94 62 94; shape light 64 16 68 16 90 94 80 94;
    box accent 29 6 71 16 3
shoe: sneaker, shoe, trainer
    shape main 6 36 14 32 30 40 42 32 64 56 90 64 97 82 4 82; shape shade 6 36 14 32 26 38 22 82 4 82;
    oval light 76 62 98 90; box white 2 78 98 92 6; box accent 2 84 98 86.5; line white 3 42 40 33 47 *3 7 7
boot: boot
    shape main 26 4 60 4 60 52 90 66 95 88 26 88; oval main 74 62 97 96; shape shade 40 18 50 18 48 54 42 54;
    box light 24 2 62 12 3; box deep 22 86 97 93 3; box deep 22 86 46 98 2; line accent 3.5 26 10 20 18
socks: sock
    box accent 34 2 64 66 3; box accent 34 52 94 84 15; disc accent-2 48 70 11; box accent-2 79 52 94 84 13;
    box accent+4 32 2 66 14 3; box main 12 10 42 74 3; box main 12 60 72 92 15; disc main-2 26 78 11;
    box main-2 57 60 72 92 13; box main+4 10 10 44 22 3
hat: hat, cap
    oval shade 1 52 99 88; oval main 1 48 99 82; half main 24 10 76 116; box main 24 60 76 66; oval accent 24 58 76 74;
    box accent 24 52 76 66; oval main 24 47 76 58; oval light 33 20 44 42
glasses: sunglasses, glasses
    line deep 3 12 30 88 30; arc deep 3 42 34 58 52 180 360; oval deep 4 28 44 74; box deep 4 28 44 48 10;
    oval main 7 31 41 71; box main 7 31 41 47 8; line light 3 14 50 24 37; oval deep 56 28 96 74;
    box deep 56 28 96 48 10; oval main 59 31 93 71; box main 59 31 93 47 8; line light 3 66 50 76 37
belt: belt
    oval shade 8 16 92 80; oval main 8 28 92 92; box main 8 46 92 60; oval deep 18 22 82 66; oval main 26 38 74 70;
    oval deep 32 40 68 62; box gold 36 66 66 96 4; box shade 42 72 60 90 2; box gold 42 79.5 64 82.5 1
scarf: scarf, shawl
    shape shade 52 34 76 96 94 88 66 30; shape main 48 34 24 97 4 86 34 30; oval main 22 6 78 44; oval deep 32 10 68 28;
    box light 38 28 62 46 8; disc accent 20 72 4 *2 10 -14; disc accent 34 80 4 *2 42 -18; disc accent 80 80 4
tent: tent
    line deep 2 50 14 2 94; line deep 2 50 14 98 94; shape main 50 14 94 94 6 94; shape shade 50 14 94 94 66 94;
    shape deep 50 34 68 94 32 94; shape light 50 34 38 94 30 94; line accent 3 50 14 50 4; shape accent 50 3 66 7 50 12
sleeping_bag: sleeping bag
    shape main 22 34 78 34 70 90 60 97 40 97 30 90; oval main 20 2 80 60; oval deep 32 10 68 44; oval paper 34 24 66 44;
    line shade 2 24 56 76 56; line shade 2 27 68 73 68; line shade 2 29 80 71 80; line accent 3 50 46 50 82; turn -24
poles: pole, trekking poles, ski
    line steel 2.5 32 40 38 97; line steel 2.5 68 40 62 97; line main 4.5 32 36 36 76; line main 4.5 68 36 64 76;
    oval deep 29 86 45 91; oval deep 55 86 71 91; line wood 8 31 12 32 36; line wood 8 69 12 68 36; disc deep 31 10 5;
    disc deep 69 10 5; arc accent 2.5 14 10 32 38 60 300; arc accent 2.5 68 10 86 38 240 120; turn 12
headlamp: headlamp, flashlight
    shape #fff0b4 64 42 99 14 99 84 64 66; arc main 10 4 12 76 90; arc accent 3 7 15 73 87; box deep 50 34 70 74 6;
    box shade 46 38 60 70 5; oval gold 62 40 74 68
chair: chair, stool
    line steel 4 24 56 76 95; line steel 4 78 56 26 95; shape main 18 6 70 6 76 62 26 62;
    shape shade 26 60 76 60 90 72 20 72; line deep 5 14 44 30 44; line deep 5 72 44 92 44;
    shape accent 22 14 68 14 69 22 23 22
stove: stove, burner
    shape #549cdc 34 30 42 10 50 22 58 6 66 30; shape gold 42 30 50 16 58 30; line steel 4 50 52 22 32;
    line steel 4 50 52 78 32; box steel 34 30 66 36 2; box silver 44 36 56 56; box main 24 56 76 97 12;
    box light 30 64 35 90 2; box accent 24 74 76 82
backpack: daypack, backpack, rucksack
    arc deep 5 38 0 62 26 180 360; box shade 8 52 24 90 7 *2 68 0; box main 18 10 82 97 20; box light 24 34 28 52 2;
    box shade 26 56 74 92 8; box light 26 56 74 66 5; box accent 46 60 54 74 3; line deep 2 32 28 68 28
hammock: hammock
    box wood 3 4 9 96 3 *2 88 0; line deep 1.2 6 24 18 50; line deep 1.2 6 24 30 58; line deep 1.2 94 24 82 50;
    line deep 1.2 94 24 70 58; half shade 10 20 90 84 0; half main 10 32 90 72 0; oval light 10 46 90 58;
    oval deep 14 46 86 55; box accent 19 40 44 52 5
kayak: kayak, canoe, boat
    line wood 3 26 16 78 76; oval accent 16 8 30 24; oval accent 74 68 90 84; shape shade 1 52 99 52 84 78 16 78;
    shape main 1 48 99 48 84 70 16 70; oval deep 30 43 70 57; oval light 38 36 50 54; line white 2.5 18 61 82 61
binoculars: binocular, whale, safari
    box deep 42 30 58 62 4; box deep 16 4 38 24 5; shape main 15 22 39 22 46 76 8 76;
    shape light 19 26 23 26 19 72 14 72; box shade 7 72 47 92 6; oval #6894c4 14 80 40 96; box deep 62 4 84 24 5;
    shape main 61 22 85 22 92 76 54 76; shape light 65 26 69 26 65 72 60 72; box shade 53 72 93 92 6;
    oval #6894c4 60 80 86 96
suitcase: suitcase, luggage, trip
    arc deep 5 34 2 66 38 180 360; box ink 26 90 35 99 4 *2 40 0; box main 12 20 88 94 10;
    box shade 26 20 32 94 *2 42 0; disc accent 51 50 10; shape white 44 54 51 43 58 54; box light 17 28 20 84 1.5
tote: tote, bag, 收纳袋, 袋, 茶具包
    arc deep 4.5 32 2 68 66 180 360; shape main 18 32 82 32 90 97 10 97; shape light 21 36 27 36 24 92 16 92;
    disc accent 50 64 14; shape paper 50 54 57 66 50 74 43 66
mountain: mountain, dolomites, alps, snow, hut, fjord, norway
    disc gold 76 24 12; shape shade 66 30 99 92 34 92; shape main 38 10 82 92 1 92;
    shape white 38 10 52 36 44 32 38 40 31 33 25 36; shape leaf 10 70 20 94 0 94; shape leaf 24 76 32 94 16 94;
    box deep 0 91 100 96 2
beach: beach, bay, island, diving course
    line bark 3.5 52 14 42 92; half main 8 8 94 84; half paper 26 8 74 84; half accent 42 8 60 84;
    oval #e8cc96 2 82 98 98; disc accent 76 82 9; half white 67 73 85 91 60
city: city, weekend, market, museum
    box shade 6 40 30 96; box #ffe8a0 12 48 16 54 *2 8.4 0; box #ffe8a0 12 61 16 67 *2 8.4 0;
    box #ffe8a0 12 74 16 80 *2 8.4 0; box #ffe8a0 12 87 16 93 *2 8.4 0; box main 30 14 56 96;
    box #ffe8a0 36.5 22 40.5 28 *2 9.1 0; box #ffe8a0 36.5 35 40.5 41 *2 9.1 0; box #ffe8a0 36.5 48 40.5 54 *2 9.1 0;
    box #ffe8a0 36.5 61 40.5 67 *2 9.1 0; box #ffe8a0 36.5 74 40.5 80 *2 9.1 0; box #ffe8a0 36.5 87 40.5 93 *2 9.1 0;
    box light 56 52 74 96; box #ffe8a0 60.5 60 64.5 66 *2 6.3 0; box #ffe8a0 60.5 73 64.5 79 *2 6.3 0;
    box #ffe8a0 60.5 86 64.5 92 *2 6.3 0; box shade 74 30 96 96; box #ffe8a0 79.5 38 83.5 44 *2 7.7 0;
    box #ffe8a0 79.5 51 83.5 57 *2 7.7 0; box #ffe8a0 79.5 64 83.5 70 *2 7.7 0; box #ffe8a0 79.5 77 83.5 83 *2 7.7 0;
    shape accent 30 14 43 1 56 14; shape accent 74 30 85 18 96 30; box deep 1 93 99 97 2
ticket: ticket, pass, appointment, session, session tickets, evening, exchange
    box main 2 24 98 76 6; box light 68 24 98 76 6; disc none 2 50 8 *2 96 0; box paper 67 28 69 32 *6 0 8;
    box white 16 36 58 43 2; box deep 16 50 50 53 1 *2 0 8; disc accent 83 50 7; turn 14
lipstick: lipstick
    shape main 38 34 38 16 58 4 62 8 62 34; shape light 38 16 58 4 62 8 42 22; box gold 36 32 64 56 1;
    box paper 40 36 43 53 1; box ink 32 54 68 97 3; box #565a66 37 58 41 93 2
dryer: dryer, hair dryer
    box shade 48 48 68 97 8; box accent 54 62 62 76 3; box deep 2 28 18 52 2; shape main 14 24 50 16 50 64 14 56;
    disc main 62 40 27; disc shade 66 40 17; disc deep 66 40 11; line light 3.5 22 30 48 24
brushes: brush, brushes
    box main 17 56 23 97 3; oval #684a46 11 14 29 50; half accent 11 14 29 50; shape silver 15 44 25 44 24 64 16 64;
    box main 37 42 43 97 3; oval #684a46 28 0 52 36; half accent 28 0 52 36; shape silver 35 30 45 30 44 50 36 50;
    box main 57 48 63 97 3; oval #684a46 53 6 67 42; half accent 53 6 67 42; shape silver 55 36 65 36 64 56 56 56;
    box main 75 60 81 97 3; oval #684a46 68 18 88 54; half accent 68 18 88 54; shape silver 73 48 83 48 82 68 74 68
palette: palette, eyeshadow
    box shade 8 4 92 46 5; box glass 14 10 86 41 3; shape white 34 10 46 10 30 41 18 41; box deep 4 46 96 96 5;
    box accent+8 10 51 27 69 2; box accent+5 31 51 48 69 2; box accent+2 52 51 69 69 2; box accent 73 51 90 69 2;
    box main+7 10 72 27 90 2; box main+4 31 72 48 90 2; box main+1 52 72 69 90 2; box main-2 73 72 90 90 2
roller: roller
    line gold 4 50 36 50 86; box accent 45 40 55 80 4; arc gold 3 24 8 76 40 0 180; box main 20 8 80 28 10;
    box light 26 11 70 15 2; box main 36 84 64 97 6; turn -30
soap: soap, shampoo, shampoo bar
    box bark 4 84 96 94 4; box shade 10 46 90 86 16; box main 10 40 90 78 16; box light 24 50 76 68 8;
    box main 27 53 73 66 6; disc glass 28 26 10; disc white 25 23 3; disc glass 48 18 6; disc white 46.2 16.2 1.8;
    disc glass 66 30 8; disc white 63.6 27.6 2.4; disc glass 80 16 4; disc white 78.8 14.8 1.2
shaver: shaver, razor
    shape deep 26 14 50 4 74 14 76 34 60 56 40 56 24 34; disc silver 38 20 11 *2 24 0; disc silver 50 39 11;
    disc steel 38 20 7 *2 24 0; disc steel 50 39 7; disc ink 38 20 2.5 *2 24 0; disc ink 50 39 2.5;
    box main 31 54 69 98 14; box light 36 62 40 90 2; disc accent 52 68 5; box deep 46 80 58 83 1.5
perfume: perfume, cologne
    box ink 38 4 62 26 3; box gold 42 26 58 34; box glass 16 34 84 97 8; box main 21 50 79 92 5;
    box white 25 40 29 88 2; box paper 36 58 66 80 2; oval accent 46 62 56 76
polish: nail, nail kit
    box ink 12 14 24 56 4; box accent 4 54 32 97 8; box accent+5 9 62 12.5 90 1.5; box ink 44 4 56 46 4;
    box main 36 44 64 97 8; box main+5 41 52 44.5 90 1.5; box ink 76 14 88 56 4; box main 68 54 96 97 8;
    box main+5 73 62 76.5 90 1.5
spray: spray, mist
    box silver 43 4 57 26 4; disc #a0c8dc 26 10 2 *2 6 -6; disc #a0c8dc 32 16 2; box steel 34 24 66 36 3;
    box main 28 36 72 97 10; box light 33 44 37 90 2; box white 28 54 72 80; box accent 47 58 53 76;
    box accent 41 64 59 70
pills: lozenge, pill, tablets, vitamin, patch, plaster, medicine
    box main 6 8 74 92 8; box shade 14 17 38 33 8; box paper 16 18 36 31 6.5; box shade 42 17 66 33 8;
    box paper 44 18 64 31 6.5; box shade 14 41 38 57 8; box paper 16 42 36 55 6.5; box shade 42 41 66 57 8;
    box paper 44 42 64 55 6.5; box shade 14 65 38 81 8; box paper 16 66 36 79 6.5; box shade 42 65 66 81 8;
    box paper 44 66 64 79 6.5; box accent 60 76 98 94 9; box white 60 76 79 94 9; turn 10
thermometer: thermometer
    box steel 2 46 24 54 4; shape light 18 44 36 37 36 63 18 56; box main 32 36 98 64 12; box ink 44 42 78 58 3;
    box #96e2be 49 45 53 55 1; box #96e2be 57 45 65 55 1; box #96e2be 69 45 73 55 1; disc accent 88 50 5; turn 24
toothbrush: toothbrush
    box white 40 2 64 22 3; box accent 40 9 64 14; box light 46 20 54 48 3; box main 38 42 62 97 9; disc deep 50 58 5;
    box accent 47 70 53 84 3; turn -12
train: train, train set, rail
    disc silver 26 14 6; disc silver 38 7 8; box accent 52 24 92 78 4; box glass 60 34 84 52 3; box deep 48 18 96 26 4;
    box main 10 46 56 78 8; box light 16 50 52 54 2; shape deep 18 26 34 26 31 48 21 48; box shade 4 74 96 82 3;
    disc ink 20 85 11; disc gold 20 85 5; disc ink 44 85 11; disc gold 44 85 5; disc ink 76 85 11; disc gold 76 85 5
elephant: elephant
    box main 18 38 88 84 22; box shade 26 66 42 96 6 *2 18 0; box shade 70 66 86 96 6; disc main 30 38 25;
    line main 12 14 48 9 66 12 80; oval shade 36 16 66 60; oval accent 41 22 61 54; disc ink 20 34 3;
    line shade 4 86 52 95 66
teddy: teddy, plush, bear, doll
    disc shade 26 16 11; disc light 26 17 6; oval shade 11 50 41 76; oval shade 10 76 42 97; disc shade 74 16 11;
    disc light 74 17 6; oval shade 59 50 89 76; oval shade 58 76 90 97; oval main 24 44 76 96; oval main 22 8 78 56;
    oval light 36 58 64 88; oval light 37 30 63 50; oval ink 45 31 55 38; disc ink 38 27 3 *2 24 0
car: car, racer, truck
    line steel 1.5 82 50 92 12; shape main 22 52 36 28 66 28 80 52; shape glass 31 50 40 33 50 33 50 50;
    shape glass 54 50 54 33 63 33 72 50; box main 4 48 97 78 12; box accent 4 60 97 65; oval gold 88 52 97 60;
    disc ink 26 78 17; disc steel 26 78 8; disc ink 76 78 17; disc steel 76 78 8
puzzle: puzzle, jigsaw, enamel pin set
    box main 6 6 50 50 3; box accent 50 6 94 50 3; box leaf 6 50 50 94 3; box light 50 50 94 94 3; disc main 52 26 8;
    disc accent 72 52 8; disc leaf 28 48 8; disc light 48 74 8; turn 8
robot: robot
    line steel 3 50 20 50 6; disc accent 50 6 5; box deep 8 24 92 44 5; box main 16 14 84 54 12; box ink 24 22 76 46 9;
    disc #8ce6dc 38 34 6 *2 24 0; box shade 4 60 96 74 7; box light 26 56 74 88 8; disc accent 42 70 5;
    box main 52 66 66 74 2; disc ink 26 87 10 *2 48 0
bricks: brick, blocks
    box accent+2 31 7 40 16 2 *2 14 0; box accent 28 12 54 38 3; box accent-2 28 32 54 38 3;
    box main+2 7 37 16 46 2 *3 14 0; box main 4 42 48 68 3; box main-2 4 62 48 68 3; box gold+2 55 37 64 46 2 *3 14 0;
    box gold 52 42 96 68 3; box gold-2 52 62 96 68 3; box leaf+2 19 67 28 76 2 *2 14 0; box leaf 16 72 46 98 3;
    box leaf-2 16 92 46 98 3; box rust+2 51 67 60 76 2 *3 14 0; box rust 48 72 94 98 3; box rust-2 48 92 94 98 3
house: dollhouse, house, address, cabin, technician visit
    box deep 66 12 77 36; box light 16 42 84 96 2; shape main 50 4 97 46 3 46; box shade 8 42 92 48 3;
    box glass 24 54 38 70 2; box white 30.2 54 31.8 70; box glass 62 54 76 70 2; box white 68.2 54 69.8 70;
    box accent 42 62 58 96 3; disc gold 54 80 1.8; disc white 50 29 7
bike: bike, bicycle, scooter
    disc ink 24 72 23; disc silver 24 72 17; disc deep 24 72 4; disc ink 76 72 23; disc silver 76 72 17;
    disc deep 76 72 4; line main 6 24 72 40 38 70 36 76 72; line main 6 40 40 56 66 71 40; line shade 5 40 40 36 28;
    box accent 24 22 48 31 4; line deep 5 70 38 67 18 56 14
telescope: telescope
    line bark 4 50 54 24 96; line bark 4 50 54 52 96; line bark 4 50 54 76 96; disc deep 50 56 6;
    shape main 22 58 16 46 76 14 84 30; shape light 19 50 16 46 76 14 78 19; shape accent 72 12 84 6 95 28 83 34;
    shape deep 7 60 4 54 18 46 23 57
game: game, board game, card game
    shape main 22 30 78 30 98 80 2 80; shape shade 2 80 98 80 98 88 2 88; shape paper 26 35 74 35 88 74 12 74;
    oval accent 19 61 29 67; oval main 29 53 39 59; oval gold 41 57 51 63; oval accent 53 51 63 57;
    oval main 65 43 75 49; shape main 36 20 45 54 27 54; disc main 36 20 7; shape accent 62 16 71 50 53 50;
    disc accent 62 16 7; box white 72 58 88 73 3; disc ink 76 65.5 1.5 *3 4 0
kite: kite
    line deep 1.5 50 58 42 72 54 82 46 97; shape rust 35 68 42 72 35 76; shape rust 49 68 42 72 49 76;
    shape leaf 47 78 54 82 47 86; shape leaf 61 78 54 82 61 86; shape gold 40 89 47 93 40 97;
    shape gold 54 89 47 93 54 97; shape main 50 4 97 48 50 60; shape accent 50 4 3 48 50 60;
    shape gold 50 22 74 51 50 60; shape rust 50 22 26 51 50 60; turn -12
ball: ball
    disc main 50 54 43; oval paper 28 11 72 97; oval accent 40 11 60 97; disc deep 50 16 6; turn 20
console: console
    box main 4 20 96 80 14; box ink 26 28 74 72 4; disc gold 42 44 5; shape #78c8a0 28 70 46 50 56 60 64 52 72 70;
    box deep 9 46 22 51 1.5; box deep 13 42 18 55 1.5; disc accent 82 44 3.6 *2 7 8
chocolate: chocolate
    box shade 22 4 79 55 2; box main 23.5 5.5 39 18 2 *3 19 0; box light 26 8 36 10 1 *3 19 0;
    box main 23.5 22.5 39 35 2 *3 19 0; box light 26 25 36 27 1 *3 19 0; box main 23.5 39.5 39 52 2 *3 19 0;
    shape silver 16 50 26 42 36 50 46 42 56 50 66 42 84 50 84 60 16 60; box accent 16 54 84 97 3;
    box paper 26 66 74 86 2; box main 36 72 64 75 1; box main 42 79 58 81 1; turn -8
cheese: cheese, cheddar
    shape light 3 56 74 22 97 48; shape main 3 56 97 48 97 84 3 92; shape rust 74 22 82 22 99 46 99 84 96 84 96 48;
    oval shade 17 67.7 31 80.3; oval shade 45 63.5 55 72.5; oval shade 66 64.8 82 79.2; oval shade 42 80.4 50 87.6;
    oval main 52 38 68 46
pasta: pasta, spaghetti
    shape gold-1 33 50 12 3 88 3 67 50 80 97 20 97; shape gold 36 50 22 3 30 3 41 50 37 97 28 97;
    shape gold 45 50 41 3 50 3 50 50 52 97 44 97; shape gold 55 50 60 3 70 3 60 50 68 97 59 97;
    box main 26 40 74 64 3; box paper 36 45 64 59 2; disc accent 50 52 4
bread: bread, sourdough
    oval #be7c44 4 24 96 96; oval #d69a5c 8 26 92 82; line paper 4 24 66 38 38 *3 18 0; box main 4 70 96 84 4;
    disc accent 50 77 10
cake: cake, cookie, 绿豆糕, 糕, 酥
    oval silver 2 76 98 96; box shade 14 60 48 86 7; box main 14 56 48 78 7; disc light 31 67 6;
    disc accent 25 67 2 *2 12 0; disc accent 31 62 2 *2 0 10; box shade 54 60 88 86 7; box main 54 56 88 78 7;
    disc light 71 67 6; disc accent 65 67 2 *2 12 0; disc accent 71 62 2 *2 0 10; box shade 34 32 68 58 7;
    box main 34 28 68 50 7; disc light 51 39 6; disc accent 45 39 2 *2 12 0; disc accent 51 34 2 *2 0 10
noodles: noodle, ramen, ramen kit, street food
    line bark 3 58 44 92 4; line bark 3 66 44 98 10; arc gold 4 22 34 46 60 180 360 *3 14 0; disc white 68 44 9;
    disc gold 68 44 5; box leaf 22 38 32 50 2; half main 8 2 92 92 0; box light 5 44 95 52 4; box accent 13 60 87 65;
    box deep 34 90 66 96 3
record: vinyl, record, vinyl mystery box
    disc ink 62 50 37; arc #545864 1 32 20 92 80; arc #545864 1 39 27 85 73; disc accent 62 50 12;
    box main 2 12 62 88 3; disc light 32 46 18; disc shade 32 46 9; box paper 12 74 44 78 1
pillow: pillow, cushion
    box shade 6 30 94 90 22; box main 6 24 94 86 22; disc main 8 28 7 *2 84 0; disc main 8 84 7 *2 84 0;
    arc light 3 20 32 80 64 200 340; arc shade 2 22 54 78 82 20 160; oval accent 68 60 80 70
folded: duvet, blanket, towel, sheet
    box accent-2 8 70 92 95 12; box accent 8 66 92 90 11; box accent-2 24 77 92 79; box accent+4 70 66 75 91;
    box main-2 8 46 92 71 12; box main 8 42 92 66 11; box main-2 24 53 92 55; box main+4 70 42 75 67;
    box main+2 8 22 92 47 12; box light 8 18 92 42 11; box main+2 24 29 92 31; box main+7 70 18 75 43
rug: rug, carpet
    line paper 1.5 3 88 2 94 *17 5.9 0; line paper 1.5 17 30 17.5 26 *17 4.1 0; shape main 16 30 84 30 98 88 2 88;
    shape light 21 36 79 36 90 82 10 82; shape main 24 41 76 41 85 77 15 77; shape accent 50 44 70 59 50 74 30 59;
    shape light 50 51 60 59 50 67 40 59
rolled: mat, baking mat, yoga mat
    shape main 22 52 82 52 97 88 6 88; shape light 26 56 79 56 89 83 15 83; shape main 29 60 77 60 84 79 22 79;
    box shade 14 26 90 58 15; box main 14 22 90 54 15; oval deep 12 22 34 56; oval light 15 27 31 51;
    oval deep 20 34 27 45; box accent 62 22 70 57
tray: tray, 茶盘
    oval shade 2 52 98 94; oval main 2 46 98 88; oval shade 10 50 90 83; line light 1.6 16 61.8 24 74.5;
    line light 1.6 28 60.2 34 75.5; line light 1.6 40 58.8 44 76.5; line light 1.6 52 58.8 54 76.5;
    line light 1.6 64 60.2 64 75.5; line light 1.6 76 61.8 74 74.5; half accent 34 34 66 78 0; oval accent+4 34 51 66 61
plant: plant, garden, park
    line leaf 3 49 66 18 34; oval leaf 4 22 32 50; oval #80b674 10 26 22 42; line leaf 3 49 66 36 16;
    oval leaf 22 4 50 32; oval #80b674 28 8 40 24; line leaf 3 49 66 66 20; oval leaf 52 8 80 36;
    oval #80b674 58 12 70 28; line leaf 3 49 66 84 40; oval leaf 70 28 98 56; oval #80b674 76 32 88 48;
    shape main 26 62 74 62 66 97 34 97; box shade 23 58 77 69 3
book: book, guide, course, planner, novel
    box shade 20 8 84 97 5; box paper 22 84 84 94 2; box main 16 4 80 88 5; box shade 16 4 25 88 4;
    box paper 34 18 70 44 3; box deep 40 25 64 28 1; box deep 44 33 60 36 1; disc accent 52 64 9
paper: bill, refund, payment, contract, explainer
    box main 12 8 80 97 5; box white 20 2 88 91 4; box main 28 12 58 18 2; box silver 28 28 80 31 1;
    box silver 28 37 74 40 1; box silver 28 46 80 49 1; box silver 28 55 62 58 1; disc accent 72 72 12;
    line white 3 66 72 71 77 79 67
shield: password, lock, security
    shape shade 50 2 90 16 86 56 72 80 50 97 28 80 14 56 10 16;
    shape main 50 10 82 21 79 54 67 74 50 88 33 74 21 54 18 21; shape light 50 10 50 88 33 74 21 54 18 21;
    arc ink 5 39 30 61 60 180 360; box accent 34 44 66 70 5; disc ink 50 56 4
"""
_CATEGORIES = """
kitchen: pot; electronics: tablet; fashion: jacket; outdoor: backpack; beauty: tube; toys: teddy; food: pouch;
home: plant; city breaks: city; beach: beach; mountains: mountain; rail: train; wildlife: binoculars; skin: tube;
music: record; style: tote; games: game; causes: plant; mobile: phone; internet: router; billing: paper;
account: paper; devices: console; 茶叶: pouch; 茶具: teapot; 零食: cake; 旅行: tote
"""


def silhouette_of(title: str, category: str) -> str:
    """What a product looks like: by the last word of its title that is known, else by its category, else a box."""
    found = _WORD.findall(title.lower())
    return _CALLED[found[-1]] if found else _OF_CATEGORY.get(category.lower(), "carton")


@cache
def _strokes(name: str) -> list[tuple[str, str, list[float]]]:
    """Kind, colour and numbers of a drawing's strokes."""
    return [stroke for text in _DRAWN[name].split(";") for stroke in _repeated(text)]


def _repeated(text: str) -> Iterator[tuple[str, str, list[float]]]:
    once, _, again = text.partition("*")
    kind, *words = once.split()
    colour = "" if kind == "turn" else words.pop(0)
    numbers = [float(word) for word in words]
    times, dx, dy = map(float, again.split() or (1, 0, 0))
    places = range(len(numbers))[slice(*_PLACES.get(kind, (0, None)))]
    for i in range(int(times)):
        step = {place: i * (dy if j % 2 else dx) for j, place in enumerate(places)}
        yield kind, colour, [number + step.get(place, 0) for place, number in enumerate(numbers)]


def _entries(text: str) -> Iterator[list[str]]:
    """Name, words and what is drawn."""
    for entry in re.split(r"\n(?=\S)", text.strip()):
        head, _, drawing = entry.partition("\n")
        yield [*head.split(": "), drawing]


_DRAWN = {name: drawing for name, _, drawing in _entries(_DRAWINGS)}
_OF_CATEGORY = dict(entry.split(": ") for entry in re.split(r";\s+", _CATEGORIES.strip()))
_CALLED = {word: name for name, words, _ in _entries(_DRAWINGS) for word in words.split(", ")}
_longest = sorted(_CALLED, key=len, reverse=True)
_WORD = re.compile("|".join(rf"\b{word}(?=(?:e?s)?\b)" if word.isascii() else word for word in _longest))
SILHOUETTES = tuple(_DRAWN)
"""Names of the drawings."""
