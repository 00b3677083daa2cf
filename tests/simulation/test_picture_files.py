import struct
import warnings
import zlib
from io import BytesIO

import numpy as np
import pytest
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.pictures.files import SIDE, of_pixels, read_picture, thumbnail
from PIL import Image, ImageCms

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def halves(left=RED, right=WHITE, size=(40, 20), mode="RGB"):
    """A picture of two colours, side by side."""
    image = Image.new(mode, size, right)
    image.paste(left, (0, 0, size[0] // 2, size[1]))
    return image


def corners(picture):
    """Colours of the corners: above left and right, below left and right."""
    return [tuple(int(value) for value in picture.pixels[y, x]) for y in (0, -1) for x in (0, -1)]


def saved(path, image, **options):
    image.save(path, **options)
    return read_picture(path)


def refusal(path):
    """What is said of a file, while no Python warning is let out."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as error:
            read_picture(path)
    said = str(error.value)
    assert said.startswith(f"{path}: ") and "\n" not in said and "; " in said
    return said.removeprefix(f"{path}: ")


def png(width, height):
    """A PNG file that declares a size and holds nothing of it."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("kind", ["png", "gif", "bmp", "tiff", "webp", "jpeg"])
def test_every_format_gives_the_same_colours(tmp_path, kind):
    options = {"webp": {"lossless": True}, "jpeg": {"quality": 100, "subsampling": 0}}.get(kind, {})
    picture = saved(tmp_path / f"p.{kind}", halves(), **options)
    assert picture.pixels.shape == (20, 40, 3)
    assert picture.pixels.dtype == np.uint8
    assert not picture.pixels.flags.writeable
    assert np.abs(np.array(corners(picture)) - [RED, WHITE, RED, WHITE]).max() <= (2 if kind == "jpeg" else 0)


def test_the_name_says_nothing_of_the_format(tmp_path):
    assert corners(saved(tmp_path / "p.jpg", halves(), format="PNG"))[:2] == [RED, WHITE]


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_the_longest_side_is_at_most_320(tmp_path, kind):
    tall = saved(tmp_path / f"tall.{kind}", halves(size=(1000, 2000)))
    assert tall.pixels.shape == (320, 160, 3)
    assert saved(tmp_path / f"thin.{kind}", halves(size=(16_000, 16))).pixels.shape == (1, SIDE, 3)


def test_equal_pixels_have_equal_digests(tmp_path):
    one, other = (saved(tmp_path / f"p.{kind}", halves()) for kind in ("png", "bmp"))
    assert one.digest == other.digest == of_pixels(one.pixels).digest
    assert len(one.digest) == 64
    assert one.digest != of_pixels(np.ascontiguousarray(one.pixels[:, ::-1])).digest
    flat = np.zeros((20, 40, 3), dtype=np.uint8)
    assert of_pixels(flat).digest != of_pixels(flat.reshape(40, 20, 3)).digest


def test_grey_palette_and_two_tones(tmp_path):
    grey = halves(0, 128, mode="L")
    assert corners(saved(tmp_path / "grey.png", grey))[:2] == [(0, 0, 0), (128, 128, 128)]
    palette = halves().convert("P", palette=Image.Palette.ADAPTIVE)
    assert corners(saved(tmp_path / "palette.png", palette))[:2] == [RED, WHITE]
    assert corners(saved(tmp_path / "tones.png", halves(0, 1, mode="1")))[:2] == [(0, 0, 0), WHITE]


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits(tmp_path, kind):
    values = np.full((20, 40), 0x8000, dtype=np.uint16)
    values[:, :20] = 0xFFFF
    assert corners(saved(tmp_path / f"p.{kind}", Image.fromarray(values)))[:2] == [WHITE, (128, 128, 128)]


def test_cmyk(tmp_path):
    ink = halves((0, 255, 255, 0), (0, 0, 0, 0), mode="CMYK")  # magenta and yellow are red
    assert corners(saved(tmp_path / "p.tiff", ink))[:2] == [RED, WHITE]
    print_ready = saved(tmp_path / "p.jpg", ink, quality=100)
    assert np.abs(np.array(corners(print_ready)[:2]) - [RED, WHITE]).max() <= 3


@pytest.mark.parametrize("kind", ["png", "webp", "tiff"])
def test_what_is_transparent_is_laid_on_white(tmp_path, kind):
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    image = halves((255, 0, 0, 0), (0, 0, 0, 51), mode="RGBA")
    # A fifth of black on white: 255 - 51.
    assert corners(saved(tmp_path / f"p.{kind}", image, **options))[:2] == [WHITE, (204, 204, 204)]


def test_transparent_greys_and_palettes(tmp_path):
    assert corners(saved(tmp_path / "la.png", halves((0, 0), (0, 255), mode="LA")))[:2] == [WHITE, (0, 0, 0)]
    palette = Image.new("P", (40, 20), 1)
    palette.putpalette([*RED, *BLUE])
    palette.paste(0, (0, 0, 20, 20))
    for kind in ("png", "gif"):
        assert corners(saved(tmp_path / f"p.{kind}", palette, transparency=0))[:2] == [WHITE, BLUE]
    assert corners(saved(tmp_path / "key.png", halves(RED, BLUE), transparency=RED))[:2] == [WHITE, BLUE]


@pytest.mark.parametrize(
    ("orientation", "shown"),
    [(1, "abcd"), (2, "badc"), (3, "dcba"), (4, "cdab"), (5, "acbd"), (6, "cadb"), (7, "dbca"), (8, "bdac")],
)
@pytest.mark.parametrize("kind", ["png", "tiff", "jpeg"])
def test_the_picture_is_turned_upright(tmp_path, orientation, shown, kind):
    colours = dict(zip("abcd", [RED, BLUE, WHITE, (0, 0, 0)], strict=True))
    image = Image.new("RGB", (40, 20))
    for i, colour in enumerate(colours.values()):
        image.paste(colour, (i % 2 * 20, i // 2 * 10, i % 2 * 20 + 20, i // 2 * 10 + 10))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "jpeg" else {}
    picture = saved(tmp_path / f"p.{kind}", image, exif=exif, **options)
    assert picture.pixels.shape == ((20, 40, 3) if orientation < 5 else (40, 20, 3))
    assert np.abs(np.array(corners(picture)) - [colours[name] for name in shown]).max() <= (2 if options else 0)


def test_a_large_jpeg_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = saved(tmp_path / "p.jpg", halves(size=(3000, 1500)), exif=exif, quality=95)
    assert picture.pixels.shape == (320, 160, 3)
    assert np.abs(np.array(corners(picture)) - [RED, RED, WHITE, WHITE]).max() <= 3


def test_exif_data_that_nobody_can_read_say_nothing(tmp_path):
    picture = saved(tmp_path / "p.jpg", halves(size=(64, 32)), exif=b"Exif\0\0MM\0*\0\0\xff\xff")
    assert picture.pixels.shape == (32, 64, 3)


def grey_profile(gamma):
    """The smallest ICC profile of greys: a white point and a curve that is a power."""
    curve = struct.pack(">4sIIHxx", b"curv", 0, 1, round(gamma * 256))
    white = struct.pack(">4sIiii", b"XYZ ", 0, 63190, 65536, 54061)  # D50
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, 16)
    head = struct.pack(">I4sI4s4s4s12x4s", 192, b"none", 0x02100000, b"mntr", b"GRAY", b"XYZ ", b"acsp")
    return head.ljust(68, b"\0") + struct.pack(">iii", 63190, 65536, 54061).ljust(60, b"\0") + tags + white + curve


def test_colours_are_converted_by_the_embedded_profile(tmp_path):
    picture = saved(tmp_path / "p.png", Image.new("L", (20, 20), 128), icc_profile=grey_profile(1.0))
    # Half the light of white is 188 in sRGB: 255 * (1.055 * (128 / 255) ** (1 / 2.4) - 0.055).
    assert np.abs(np.array(corners(picture)) - 188).max() <= 1
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (
        np.abs(np.array(corners(saved(tmp_path / "s.png", halves(), icc_profile=srgb))[:2]) - [RED, WHITE]).max() <= 1
    )


def test_a_profile_and_transparency_go_together(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = halves((255, 0, 0, 0), (0, 0, 255, 255), mode="RGBA")
    assert corners(saved(tmp_path / "p.png", image, icc_profile=srgb))[:2] == [WHITE, BLUE]


@pytest.mark.parametrize("profile", [b"no profile", grey_profile(1.0)], ids=["broken", "of other colours"])
def test_a_profile_that_does_not_fit_is_ignored(tmp_path, profile):
    assert corners(saved(tmp_path / "p.png", halves(), icc_profile=profile))[:2] == [RED, WHITE]


def test_of_several_pictures_in_a_jpeg_the_first_counts(tmp_path):
    second = Image.new("RGB", (20, 20), "blue")
    picture = saved(
        tmp_path / "p.jpg", Image.new("RGB", (40, 20), "white"), format="MPO", save_all=True, append_images=[second]
    )
    assert corners(picture) == [WHITE] * 4


def test_missing_a_directory_or_empty(tmp_path):
    assert refusal(tmp_path / "none.png") == "no such picture; correct the path or leave it out"
    assert refusal(tmp_path / "none.png" / "deeper.png").startswith("no such picture")
    assert refusal(tmp_path).startswith("a directory")
    (tmp_path / "empty.png").touch()
    assert refusal(tmp_path / "empty.png").startswith("empty (0 bytes)")
    refusal(tmp_path / ("long" * 100))


@pytest.mark.parametrize(
    "content", [b'<svg xmlns="http://www.w3.org/2000/svg"/>', b"product_id,title\n", b"\0" * 500, b"\x89"]
)
def test_what_is_no_picture(tmp_path, content):
    (tmp_path / "p.png").write_bytes(content)
    assert refusal(tmp_path / "p.png") == "not a picture that can be read; give PNG, JPEG or WebP"


def test_a_format_that_is_not_asked_for(tmp_path):
    halves().save(tmp_path / "p.ppm")
    assert refusal(tmp_path / "p.ppm").startswith("not a picture that can be read")


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "bmp", "tiff"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_is_cut_off(tmp_path, kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(noise).save(file, kind)
    whole = file.getvalue()
    (tmp_path / "p").write_bytes(whole[: int(share * len(whole))])
    said = refusal(tmp_path / "p")
    assert said.startswith(("damaged, or not to be opened (", "not a picture that can be read"))


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "bmp", "tiff"])
def test_whatever_bytes_are_altered_there_is_a_picture_or_a_refusal(tmp_path, kind):
    random, file = np.random.default_rng(0), BytesIO()
    halves(size=(48, 32)).save(file, kind)
    whole = np.frombuffer(file.getvalue(), dtype=np.uint8)
    for i in range(60):
        altered, reach = whole.copy(), min(len(whole), 120 if i % 2 else len(whole))
        altered[random.integers(0, reach, 3)] = random.integers(0, 256, 3)
        (tmp_path / "p").write_bytes(altered.tobytes())
        try:
            assert max(read_picture(tmp_path / "p").pixels.shape) <= SIDE
        except InputError:
            refusal(tmp_path / "p")


@pytest.mark.parametrize("size", [(9_000, 9_000), (12_000, 12_000), (60_000, 60_000), (16_385, 20), (20, 16_385)])
def test_what_declares_a_huge_size_is_not_decoded(tmp_path, size, monkeypatch):
    (tmp_path / "p.png").write_bytes(png(*size))
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    said = refusal(tmp_path / "p.png")
    assert "too large, at most 64 million pixels and 16,384 px on a side are read; save a smaller copy" in said


def test_too_small(tmp_path):
    halves(size=(15, 400)).save(tmp_path / "p.png")
    assert refusal(tmp_path / "p.png") == "15 x 400 px is too small; give at least 16 px on a side"
    assert saved(tmp_path / "p.png", halves(size=(16, 16))).pixels.shape == (16, 16, 3)


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff"])
def test_animated_or_of_several_pages(tmp_path, kind):
    frames = [Image.new("RGB", (40, 20), colour) for colour in ("red", "blue", "white")]
    frames[0].save(tmp_path / f"p.{kind}", save_all=True, append_images=frames[1:])
    assert "save its best frame as a PNG" in refusal(tmp_path / f"p.{kind}")


def test_values_of_32_bits(tmp_path):
    Image.new("F", (20, 20), 0.5).save(tmp_path / "p.tiff")
    assert "save it with 8 bits" in refusal(tmp_path / "p.tiff")


def test_a_thumbnail_is_a_small_jpeg(tmp_path):
    picture = saved(tmp_path / "p.png", halves(size=(200, 100)))
    with Image.open(BytesIO(thumbnail(picture, 50))) as small:
        assert (small.format, small.size, small.mode) == ("JPEG", (50, 25), "RGB")
        assert np.abs(np.array(small.getpixel((0, 0))) - RED).max() < 10
    assert thumbnail(picture, 50) == thumbnail(picture, 50)
    assert picture.pixels.shape == (100, 200, 3)
