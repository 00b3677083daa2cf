"""What a file is, by its bytes: packed or plain, Parquet or text. Its name says nothing."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from ..errors import InputError
from ..files import MOST_BYTES
from .encodings import decode

PARQUET = b"PAR1"

MOST_UNPACKED, MOST_TIMES, MOST_LAYERS = 2**26, 250, 2
"""A packed table unpacks to this many bytes or this many times its own size, whichever is more, and at most twice."""

_UNPACK: dict[bytes, tuple[str, Callable[[IO[bytes]], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMAFile),
    b"PK\x03\x04": ("zip", lambda file: _opened_zip(file)),
}
_OTHER = {
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"ARROW1": "an Arrow file",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a database",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
}


def read_contents(path: Path, what: str) -> tuple[bytes | str, list[str]]:
    """The bytes of a Parquet file, or the text of any other; and what had to be understood to get there.

    Args:
        path: the file, as it is or packed (gzip, bzip2, xz, or a zip of one file).
        what: what it should hold, for messages.

    Raises:
        InputError: no such file, empty, too large, packed badly, of another kind, or in an encoding that cannot be
            told.
    """
    data, said = _read_bytes(path, what), []
    try:
        while packing := next((kind for magic, kind in _UNPACK.items() if data.startswith(magic)), None):
            data = _unpacked(data, packing[1], len(said))
            said.append(packing[0])
    except _OtherKindError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # whatever unpackers meet in a damaged file
        reason = str(error).splitlines()[0] if str(error) else "it ends too early"
        raise InputError(f"{path}: cannot be read as a table ({reason}); give CSV or Parquet") from None
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
    """Packed, and no table; the message says what to do."""


def _read_bytes(path: Path, what: str) -> bytes:
    try:
        if not path.is_file():
            reason = "is a directory, not a file" if path.is_dir() else "no such file"
            raise InputError(f"{path}: {reason}; give the path of a {what} in CSV or Parquet")
        if (size := path.stat().st_size) > MOST_BYTES:
            raise InputError(f"{path}: {size:,} bytes, at most {MOST_BYTES:,} are read; split it")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); give the path of a {what}") from None


def _unpacked(data: bytes, opened: Callable[[IO[bytes]], Any], layers: int) -> bytes:
    """What was packed; no more of it is held than the limit."""
    if layers == MOST_LAYERS:
        raise _OtherKindError(f"packed more than {MOST_LAYERS} times over; give the plain file")
    most = min(max(MOST_UNPACKED, MOST_TIMES * len(data)), MOST_BYTES)
    with opened(io.BytesIO(data)) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise _OtherKindError(f"{len(data):,} bytes that unpack to more than {most:,}; unpack it, give the plain file")
    return found


def _opened_zip(file: IO[bytes]) -> IO[bytes]:
    archive = zipfile.ZipFile(file)
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if "xl/workbook.xml" in names:
        raise _OtherKindError("an Excel workbook; save its sheet as CSV")
    if len(names) != 1:
        raise _OtherKindError(f"a zip of {len(names)} files; give one that holds the table alone")
    return archive.open(names[0])
