import math

import numpy as np
import pytest
import torch
from copybandit.simulation.pictures.looks import LOOKS, MEANING, looks
from PIL import Image, ImageDraw, ImageFont

RED, ORANGE, YELLOW, GREEN, BLUE = (255, 0, 0), (255, 140, 0), (255, 230, 0), (40, 160, 60), (0, 0, 255)
BLACK, GREY, WHITE, WOOD = (0, 0, 0), (128, 128, 128), (255, 255, 255), (160, 110, 60)


def plain(colour, size=96):
    return np.full((size, size, 3), colour, dtype=np.uint8)


def halves(left, right):
    pixels = plain(right)
    pixels[:, :48] = left
    return pixels


def framed(inner, outer):
    """A square in the middle, half the side of the picture."""
    pixels = plain(outer)
    pixels[24:72, 24:72] = inner
    return pixels


def look(pixels, name):
    return looks([pixels])[0, LOOKS.index(name)].item()


def test_a_row_a_picture_and_a_column_a_look():
    found = looks([plain(RED), halves(RED, WHITE), plain(RED, 320)])
    assert found.shape == (3, 11)
    assert found.dtype == torch.float32
    assert tuple(MEANING) == LOOKS
    assert looks([]).shape == (0, 11)
    # A plain picture looks the same in any size.
    torch.testing.assert_close(found[0], found[2])


def test_half_red_half_white():
    found = dict(zip(LOOKS, looks([halves(RED, WHITE)])[0].tolist(), strict=True))
    # The luminance of red is 0.2126, that of white 1.
    assert found["brightness"] == pytest.approx(0.6063)
    assert found["contrast"] == pytest.approx(0.3937)
    # Red less green is 255 or 0, and yellow less blue 127.5 or 0: deviations and means alike are 127.5 and 63.75.
    assert found["colour"] == pytest.approx(1.3 * math.hypot(127.5, 63.75) / 109)
    assert found["warmth"] == pytest.approx(0.5)
    # Of 96 columns, the two beside the line.
    assert found["clutter"] == pytest.approx(2 / 96)
    assert found["badge"] == pytest.approx(0.5)
    assert found["green"] == found["text"] == found["dark"] == 0


@pytest.mark.parametrize(("colour", "brightness"), [(BLACK, 0), (GREY, 128 / 255), (WHITE, 1)])
def test_greys(colour, brightness):
    found = dict(zip(LOOKS, looks([plain(colour)])[0].tolist(), strict=True))
    assert found.pop("brightness") == pytest.approx(brightness)
    assert found.pop("plain") == 1
    assert found.pop("dark") == float(colour == BLACK)
    assert list(found.values()) == pytest.approx([0] * 8, abs=1e-6)


def test_black_and_white_contrast_most():
    assert look(halves(BLACK, WHITE), "contrast") == pytest.approx(0.5)


def test_warm_and_cold():
    warmth = [look(plain(colour), "warmth") for colour in (RED, YELLOW, GREY, BLUE)]
    assert warmth == pytest.approx([1, 1, 0, -1])


@pytest.mark.parametrize(("colour", "green"), [(GREEN, 1), (YELLOW, 0), (BLUE, 0), (GREY, 0), ((118, 128, 118), 0)])
def test_green(colour, green):
    assert look(plain(colour), "green") == green
    assert look(halves(colour, WHITE), "green") == green / 2


@pytest.mark.parametrize(
    ("colour", "badge"),
    [(RED, 1), (ORANGE, 1), (YELLOW, 1), (GREEN, 0), (WOOD, 0), ((90, 0, 0), 0), ((255, 180, 180), 0)],
)
def test_signal_colours(colour, badge):
    assert look(plain(colour), "badge") == badge


def test_a_share_of_the_border_has_one_colour():
    pixels = plain(WHITE)
    assert look(framed(RED, WHITE), "plain") == 1
    pixels[:, :6] = BLUE  # one of four sides of a border that is 6 wide: 6 * 96 of 96² - 84² pixels
    assert look(pixels, "plain") == pytest.approx(1 - 6 * 96 / (96**2 - 84**2))
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    assert look(noise, "plain") < 0.1


def test_the_centre_stands_out_from_a_surround_that_hardly_varies():
    # Black and white are 100 apart in L*: 100 / (100 + 0 + 5).
    assert look(framed(BLACK, WHITE), "centre") == pytest.approx(100 / 105, abs=1e-3)
    striped = plain(WHITE)
    striped[::2] = BLACK
    striped[24:72, 24:72] = RED
    assert 0 < look(striped, "centre") < look(framed(RED, GREY), "centre") < 1
    assert look(framed((130, 130, 130), GREY), "centre") < 0.2


def stripes(width, size=192):
    pixels = plain(WHITE, size)
    pixels[:, np.arange(size) // width % 2 == 0] = BLACK
    return pixels


def test_lettering_crosses_a_patch_often():
    # Patches are 16 wide: strokes of 4 cross each row three times, bands of 8 once.
    assert look(stripes(4), "text") == 1
    assert look(stripes(8), "text") == 0
    ramp = np.repeat(np.linspace(0, 255, 192).astype(np.uint8)[None, :, None].repeat(192, 0), 3, 2)
    assert look(ramp, "text") == 0
    faint = stripes(4)
    faint[faint == 0] = 220
    assert look(faint, "text") == 0


def test_text_looks_like_text_and_other_things_less():
    written = Image.new("RGB", (320, 320), "white")
    lines = "\n".join(["Sale, 50% off: today only"] * 10)
    ImageDraw.Draw(written).multiline_text((10, 10), lines, fill="black", font=ImageFont.load_default(24))
    disc = Image.new("RGB", (320, 320), "white")
    ImageDraw.Draw(disc).ellipse((60, 60, 260, 260), fill="black")
    noise = np.random.default_rng(0).normal(128, 40, (320, 320, 1)).clip(0, 255).astype(np.uint8).repeat(3, 2)
    assert look(np.asarray(written), "text") > 0.4
    assert look(np.asarray(disc), "text") < 0.05
    assert look(noise, "text") < 0.05


def test_clutter_grows_with_edges():
    clutter = [look(stripes(width, 96), "clutter") for width in (2, 8, 32)]
    assert clutter[0] > clutter[1] > clutter[2] > 0


@pytest.mark.parametrize("shape", [(1, 320, 3), (320, 16, 3), (213, 320, 3)])
def test_pictures_of_any_shape_give_finite_looks(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = looks([noise])
    assert found.isfinite().all()
    shares = [
        LOOKS.index(name) for name in ("brightness", "green", "clutter", "plain", "centre", "text", "badge", "dark")
    ]
    assert ((found[:, shares] >= 0) & (found[:, shares] <= 1)).all()
