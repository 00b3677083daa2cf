"""The pictures that texts were put beside, small, in the run's directory: for its report, and to look at."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ...simulation.data.files import write_folder
from ...simulation.pictures.files import thumbnail
from ...simulation.pictures.gallery import Gallery
from ..analysis.drawing.run_files import PICTURES
from ..harness.files import write_table

SIDE = 240


def save_thumbnails(gallery: Gallery, images: Iterable[str], directory: Path) -> None:
    """Writes `pictures/`: a JPEG for each image, and pictures.csv that says which is which."""
    names = sorted({image for image in images if image})
    files = [f"{number:04d}.jpg" for number in range(len(names))]

    def write(folder: Path) -> None:
        for name, file in zip(names, files, strict=True):
            (folder / file).write_bytes(thumbnail(gallery[name], SIDE))
        write_table(folder / f"{PICTURES}.csv", pd.DataFrame({"image": names, "file": files}))

    write_folder(directory / PICTURES, write)
