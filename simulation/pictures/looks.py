"""What a picture looks like, whatever it shows: plain formulas on a small copy, each beside its source."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

Array = NDArray[np.float64]

MEANING = {
    "brightness": "mean luminance, from 0 (black) to 1 (white)",
    "contrast": "standard deviation of luminance (RMS contrast: Peli, 1990), at most 0.5",
    "colour": "colourfulness (Hasler & Süsstrunk, 2003); 1 is what people call extremely colourful",
    "warmth": "red against blue, from -1 (blue) to 1 (red, orange, yellow)",
    "green": "share of pixels of a green hue",
    "clutter": "share of pixels on an edge",
    "plain": "share of the border that has one colour",
    "centre": "how far the centre differs from the surround, beside how far the surround differs from itself, 0 to 1",
    "text": "share of the picture in patches that look like lettering or marks",
    "badge": "share of pixels in signal colours: strong red, orange or yellow",
    "dark": "share of pixels with a luminance below 0.2",
}
"""Names of looks, and what each says."""
LOOKS: tuple[str, ...] = tuple(MEANING)
"""Names of the columns of `looks`."""
SIDE = 96
"""Pixels a side of the square copy that most looks are taken of."""
PATCH, PATCHES = 16, 12
"""Pixels a side of a patch that may hold lettering, and patches a side of the copy that is searched for it."""
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)
"""Of each of 256 sRGB values, the light that it stands for (IEC 61966-2-1)."""


def looks(pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Looks of pictures of any size; each is taken of a small square copy, so that they compare.

    Args:
        pixels: n pictures, [h, w, 3] sRGB.

    Returns:
        [n, 11] float32 in the order of `LOOKS`; `MEANING` says what they are. Luminance is of the sRGB values as they
        are, which are spaced about as people see them.
    """
    return torch.tensor([_looks(picture) for picture in pixels], dtype=torch.float32).reshape(-1, len(LOOKS))


def _looks(pixels: NDArray[np.uint8]) -> tuple[float, ...]:
    image = Image.fromarray(pixels)
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    values = np.asarray(small)
    rgb = values / 255
    hue, saturation, value = np.moveaxis(np.asarray(small.convert("HSV")) / 255, -1, 0)
    luminance, lab = rgb @ _LUMINANCE, _lab(values)
    large = np.asarray(image.resize((PATCH * PATCHES, PATCH * PATCHES), Image.Resampling.BOX))
    return (
        float(luminance.mean()),
        float(luminance.std()),
        _colour(rgb),
        float((rgb[..., 0] - rgb[..., 2]).mean()),
        float(((hue > 65 / 360) & (hue < 170 / 360) & (saturation > 0.2) & (value > 0.15)).mean()),
        _clutter(luminance),
        _plain(lab),
        _centre(lab),
        _text(large @ _LUMINANCE / 255),
        float((((hue < 60 / 360) | (hue > 345 / 360)) & (saturation > 0.75) & (value > 0.7)).mean()),
        float((luminance < 0.2).mean()),
    )


def _lab(values: NDArray[np.uint8]) -> Array:
    """CIE L*a*b* under the sRGB white D65; 2 or 3 units are a difference that is just seen."""
    xyz = _LINEAR[values] @ _TO_XYZ.T / _TO_XYZ.sum(1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _colour(rgb: Array) -> float:
    """M3 of Hasler & Süsstrunk, "Measuring colourfulness in natural images" (2003), over 109, their "extremely"."""
    red, green, blue = np.moveaxis(rgb * 255, -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue]).reshape(2, -1)
    return float((np.linalg.norm(opponents.std(1)) + 0.3 * np.linalg.norm(opponents.mean(1))) / 109)


def _clutter(luminance: Array, edge: float = 0.06) -> float:
    """Edge density (Mack & Oliva, "Computational estimation of visual complexity", 2004): of central differences."""
    down, across = np.gradient(luminance)
    return float((np.hypot(down, across) > edge).mean())


def _plain(lab: Array, width: int = SIDE // 16, near: float = 10.0) -> float:
    """Of the border, what is near its median colour."""
    inner = np.zeros(lab.shape[:2], dtype=bool)
    inner[width:-width, width:-width] = True
    border = lab[~inner]
    return float((np.linalg.norm(border - np.median(border, axis=0), axis=1) < near).mean())


def _centre(lab: Array, seen: float = 5.0) -> float:
    """Centre against surround (as in Liu et al., "Learning to detect a salient object", 2007), by mean colours.

    `seen` is a difference that is plainly seen: much less, in a picture of one colour, is nothing.
    """
    quarter = SIDE // 4
    inner = np.zeros(lab.shape[:2], dtype=bool)
    inner[quarter:-quarter, quarter:-quarter] = True
    surround = lab[~inner]
    apart = np.linalg.norm(lab[inner].mean(0) - surround.mean(0))
    varies = np.sqrt(surround.var(0).sum())
    return float(apart / (apart + varies + seen))


def _text(luminance: Array, apart: float = 0.3, parted: float = 0.8, crossings: float = 2.0) -> float:
    """Share of patches of two well parted tones, some of each, that alternate along rows and columns.

    The tones are parted as by Otsu, "A threshold selection method from gray-level histograms" (1979); `parted` is the
    share of a patch's variance that lies between them (3/4 in an even ramp). An edge crosses a row and a column once at
    most; strokes cross more often: `crossings` a row and a column together, on average.
    """
    tiles = luminance.reshape(PATCHES, PATCH, PATCHES, PATCH).swapaxes(1, 2).reshape(-1, PATCH, PATCH)
    size = PATCH**2
    ordered = np.sort(tiles.reshape(-1, size), axis=1)
    low = np.arange(size // 16, size - size // 16)
    total = ordered.cumsum(1)
    below, above = total[:, low - 1] / low, (total[:, -1:] - total[:, low - 1]) / (size - low)
    between = (above - below) ** 2 * low * (size - low) / size**2
    best = between.argmax(1)[:, None]
    threshold = np.take_along_axis(below + above, best, 1) / 2
    is_light = tiles > threshold[:, :, None]
    along = (is_light[:, :, 1:] != is_light[:, :, :-1]).sum((1, 2))
    crossed = along + (is_light[:, 1:] != is_light[:, :-1]).sum((1, 2))
    far = np.take_along_axis(above - below, best, 1)[:, 0] > apart
    sharp = between.max(1) > parted * ordered.var(1)
    return float((far & sharp & (crossed > crossings * PATCH)).mean())
