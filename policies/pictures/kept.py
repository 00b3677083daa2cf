"""Vectors of pictures that are kept in a file by content, so that a picture is looked at once and not once a run."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...simulation.data.errors import InputError
from ...simulation.pictures.files import digest
from .encoder import PictureEncoder

_TABLE = (
    "CREATE TABLE IF NOT EXISTS vectors "
    "(encoder TEXT, picture TEXT, vector BLOB, PRIMARY KEY (encoder, picture)) WITHOUT ROWID"
)


class KeptVectors:
    """An encoder that looks up what it has seen before.

    Several runs may share the file: SQLite has them wait for each other.
    """

    def __init__(self, encoder: PictureEncoder, path: Path) -> None:
        """Opens the file, or makes it.

        Args:
            encoder: asked for pictures that are new; another's vectors in the same file are left alone.
            path: an SQLite database.

        Raises:
            InputError: the file is something else, is damaged, or cannot be written.
        """
        self.title, self.encoder, self.path = encoder.title, encoder, path
        try:
            with closing(self._open()) as file:
                file.execute(_TABLE)
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"--image-cache {path}: {error}; give a new file's name, or one made by this") from None

    def encode(self, pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Vectors of pictures; see `PictureEncoder.encode`.

        Raises:
            InputError: the file was damaged since it was opened.
        """
        names = [digest(picture) for picture in pixels]
        try:
            with closing(self._open()) as file:
                known = self._known(file, names)
                fresh = [i for i, name in enumerate(names) if name not in known]
                seen = self.encoder.encode([pixels[i] for i in fresh])
                rows = [
                    (self.encoder.fingerprint, names[i], row.numpy().tobytes())
                    for i, row in zip(fresh, seen, strict=True)
                ]
                with file:
                    file.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", rows)
        except (sqlite3.Error, ValueError) as error:
            raise InputError(f"--image-cache {self.path}: damaged ({error}); delete it, and it is made anew") from None
        known |= {names[i]: row for i, row in zip(fresh, seen, strict=True)}
        return torch.stack([known[name] for name in names]) if names else torch.zeros(0, self.encoder.width)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=60)

    def _known(self, file: sqlite3.Connection, names: Sequence[str]) -> dict[str, Tensor]:
        ask, found = "SELECT vector FROM vectors WHERE encoder = ? AND picture = ?", {}
        for name in names:
            for (vector,) in file.execute(ask, (self.encoder.fingerprint, name)):
                values = np.frombuffer(vector, dtype=np.float32).copy()
                if len(values) != self.encoder.width:
                    raise ValueError(f"a vector of {len(values)} numbers, not {self.encoder.width}")
                found[name] = torch.from_numpy(values)
        return found
