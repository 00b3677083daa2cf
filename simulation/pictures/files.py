"""Pictures from files: small copies in sRGB whatever the format and colours, or a line that says what is wrong."""

import hashlib
import warnings
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ..data.errors import InputError

SIDE = 320
"""Longest side that is kept, in pixels."""
NARROWEST, WIDEST, MOST_PIXELS = 16, 16_384, 64_000_000
"""Shortest and longest side, in pixels, and most pixels of a file that is read."""
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_TOO_LARGE = f"too large, at most {MOST_PIXELS // 10**6} million pixels and {WIDEST:,} px on a side are read"


@dataclass(frozen=True)
class Picture:
    """A picture, ready to be looked at."""

    pixels: NDArray[np.uint8]
    """[h, w, 3] sRGB, read-only; the longest side is at most `SIDE`."""
    digest: str
    """SHA-256 of shape and pixels, hexadecimal: equal pictures have equal ones."""


def of_pixels(pixels: NDArray[np.uint8]) -> Picture:
    """A picture of [h, w, 3] sRGB pixels, made smaller where a side is beyond `SIDE`."""
    return _of_image(Image.fromarray(pixels))


def read_picture(path: Path) -> Picture:
    """Reads a PNG, JPEG, WebP, GIF, BMP or TIFF file.

    It is turned upright as its EXIF data say, its colours become sRGB (by the embedded profile, if there is a sound
    one), and what is transparent is laid on white. Of several pictures in a JPEG, as phones write, the first counts.

    Raises:
        InputError: there is no such file, it is empty, damaged, no picture, animated or of several pages, smaller than
            `NARROWEST` or larger than `WIDEST` on a side, or of more than `MOST_PIXELS`, which is known before it is
            decoded.
    """
    try:
        _check_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                _check_header(path, image)
                return _of_image(_in_rgb(image))
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise InputError(f"{path}: {_TOO_LARGE}; save a smaller copy") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: not a picture that can be read; give PNG, JPEG or WebP") from None
    except Exception as error:  # whatever the system has against it, or decoders meet in a damaged file
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise InputError(
            f"{path}: damaged, or not to be opened ({reason}); save it anew as PNG, JPEG or WebP"
        ) from None


def digest(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of shape and pixels, hexadecimal."""
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def thumbnail(picture: Picture, side: int) -> bytes:
    """A JPEG file of the picture, its longest side at most `side` pixels."""
    image, file = Image.fromarray(picture.pixels), BytesIO()
    image.thumbnail((side, side))
    image.save(file, "JPEG", quality=85, optimize=True)
    return file.getvalue()


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: a directory, no picture; name a file in it")
    if not path.is_file():
        raise InputError(f"{path}: no such picture; correct the path or leave it out")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: empty (0 bytes); save the picture anew or leave it out")


def _check_header(path: Path, image: Image.Image) -> None:
    size = f"{image.width:,} x {image.height:,} px"
    if max(image.size) > WIDEST or image.width * image.height > MOST_PIXELS:
        raise InputError(f"{path}: {size} is {_TOO_LARGE}; save a smaller copy")
    if min(image.size) < NARROWEST:
        raise InputError(f"{path}: {size} is too small; give at least {NARROWEST} px on a side")
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise InputError(f"{path}: animated or of several pages; save its best frame as a PNG and name that")
    if image.mode in ("I", "F"):
        raise InputError(f"{path}: its values have 32 bits and no white that is agreed on; save it with 8 bits")


def _in_rgb(image: Image.Image) -> Image.Image:
    """Decodes it; RGB, no larger than is needed."""
    image.draft(None, (2 * SIDE, 2 * SIDE))  # a JPEG need not be decoded in full size
    image.load()
    with suppress(Exception):  # EXIF data that nobody can read say nothing
        ImageOps.exif_transpose(image, in_place=True)
    profile = image.info.get("icc_profile")
    image = _plain(image)
    image.thumbnail((SIDE, SIDE))
    if image.mode != "RGBA":
        return _in_srgb(image, profile)
    shown = Image.new("RGB", image.size, "white")
    shown.paste(_in_srgb(image.convert("RGB"), profile), mask=image.getchannel("A"))
    return shown


def _plain(image: Image.Image) -> Image.Image:
    """In a mode that has 8 bits and neither a palette nor a colour that stands for none."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("L" if image.mode == "1" else "RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB by the profile, without regard to it where it is broken or of other colours."""
    if profile:
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            found = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(image, found, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
    return image.convert("RGB")


def _of_image(image: Image.Image) -> Picture:
    image.thumbnail((SIDE, SIDE))
    pixels = np.asarray(image)
    return Picture(pixels, digest(pixels))
