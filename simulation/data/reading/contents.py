"""What a file is, by its bytes: packed or plain, Parquet or text. Its name says nothing."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from .encodings import decode

PARQUET = b"PAR1"

_UNPACK: dict[bytes, tuple[str, Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": ("gzip", gzip.decompress),
    b"BZh": ("bzip2", bz2.decompress),
    b"\xfd7zXZ\x00": ("xz", lzma.decompress),
    b"PK\x03\x04": ("zip", lambda data: _unzip(data)),
}
_OTHER = {
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"ARROW1": "an Arrow file",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a database",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
}
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)


def read_contents(path: Path, what: str) -> tuple[bytes | str, list[str]]:
    """The bytes of a Parquet file, or the text of any other; and what had to be understood to get there.

    Args:
        path: the file, as it is or packed (gzip, bzip2, xz, or a zip of one file).
        what: what it should hold, for messages.

    Raises:
        InputError: no such file, empty, packed badly, of another kind, or in an encoding that cannot be told.
    """
    if not path.is_file():
        reason = "is a directory, not a file" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {reason}; give the path of a {what} in CSV or Parquet")
    data, said = path.read_bytes(), []
    try:
        while packing := next((kind for magic, kind in _UNPACK.items() if data.startswith(magic)), None):
            data = packing[1](data)
            said.append(packing[0])
    except _BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else "it ends too early"
        raise InputError(f"{path}: cannot be read as a table ({reason}); give CSV or Parquet") from None
    except _OtherKindError as error:
        raise InputError(f"{path}: {error}") from None
    if not data.strip():
        raise InputError(f"{path}: the file is empty; add a header and at least one row")
    if data.startswith(PARQUET):
        return data, said
    if kind := next((kind for magic, kind in _OTHER.items() if data.startswith(magic)), None):
        raise InputError(f"{path}: {kind}; save the {what} as CSV or Parquet")
    try:
        text, encoding = decode(data)
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: row {row}: {error.reason}; save the {what} as UTF-8") from None
    if not text.strip():
        raise InputError(f"{path}: the file is empty; add a header and at least one row")
    if text.lstrip()[0] in "<{[":
        kind = "HTML or XML" if text.lstrip()[0] == "<" else "JSON"
        raise InputError(f"{path}: looks like {kind}; save the {what} as CSV or Parquet")
    return text, said + ([encoding] if encoding != "UTF-8" else [])


class _OtherKindError(Exception):
    """A zip that is no packed table; the message says what to do."""


def _unzip(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        if "xl/workbook.xml" in names:
            raise _OtherKindError("an Excel workbook; save its sheet as CSV")
        if len(names) != 1:
            raise _OtherKindError(f"a zip of {len(names)} files; give one that holds the table alone")
        return archive.read(names[0])
