"""Whole files only: written beside and renamed, and what is no longer as it was written is refused in one line."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import yaml
from safetensors import SafetensorError

from .errors import InputError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
"""Of a folder: format version, and the size and SHA-256 of every other file in it. It is written last."""
ANEW = "make it anew"
T = TypeVar("T")
MOST_BYTES = 8 * 2**30
"""Of a file that is read: it is held in memory, and what is made of it too."""
_UNREADABLE = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError),
    *(RuntimeError, MemoryError, SafetensorError, yaml.YAMLError, pa.ArrowException),
)
"""What comes of content that is not as it was written. A RecursionError is a RuntimeError."""
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""What no reading says: what was made of a file could not be written."""
_OF_THE_SYSTEM = re.compile(r"\(os error (\d+)\)|\bOs \{ code: (\d+),")


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Lets `write` fill a temporary file beside `path` that takes its name once it is on the disk.

    Args:
        path: the old file or the new one is there at any moment, never half a file.
        write: is given the temporary path; when it raises, nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with named(path):
        temporary.unlink(missing_ok=True)
        try:
            write(temporary)
            _to_disk(temporary)
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        _to_disk(path.parent)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Gives an error of the disk the name of what was to be written.

    Raises:
        OSError: as it came, or in the place of what a library of Rust says of it in words ("os error 28").
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno in (errno.ENOENT, errno.EEXIST):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    except InputError:
        raise
    except Exception as error:
        found = _OF_THE_SYSTEM.search(str(error))
        if found is None:
            raise
        number = int(found[1] or found[2])
        raise OSError(number, os.strerror(number), str(path)) from error


def write_folder(folder: Path, write: Callable[[Path], Any]) -> None:
    """Lets `write` fill a temporary directory beside `folder`, adds a manifest, and renames it into place.

    A folder that is there already is replaced: it is set aside as `.NAME.old` until the new one has its name.

    Args:
        folder: made with its parents; `check_folder` says whether it is as it was written.
        write: is given the temporary directory, which is empty; when it raises, nothing is left behind.
    """
    folder = folder.absolute()
    temporary, old = _beside(folder, "tmp"), _beside(folder, "old")
    with named(folder):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            write(temporary)
            _seal_all(temporary)
            if folder.is_dir() and any(folder.iterdir()):
                shutil.rmtree(old, ignore_errors=True)
                folder.replace(old)
            temporary.replace(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _to_disk(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _seal_all(folder: Path) -> None:
    """Adds the manifest, and waits until all is on the disk."""
    files = {name: _seal(folder / name) for name in _files(folder)}
    text = json.dumps({"format_version": FORMAT_VERSION, "files": files}, indent=2, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    for path in [*(folder / name for name in files), folder / MANIFEST, folder]:
        _to_disk(path)


def check_folder(folder: Path, remedy: str = ANEW) -> None:
    """Compares a folder with its manifest; files that the manifest does not name are left alone.

    Args:
        folder: what `write_folder` wrote.
        remedy: what a user can do when it is no good, as the end of a sentence.

    Raises:
        InputError: there is no such folder or no manifest in it, or a file is missing, cut or altered.
    """
    if not folder.is_dir():
        old = _beside(folder.absolute(), "old")
        raise InputError(f"{folder}: no such folder; {f'rename {old}, the one before' if old.is_dir() else remedy}")
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: {MANIFEST} is missing, so it was written half or by something else; {remedy}")
    for name, seal in read_checked(folder / MANIFEST, _read_manifest, remedy).items():
        fault = _fault(folder, name, seal)
        if fault:
            raise InputError(f"{folder / name}: {fault}; {remedy}")


def sealed_files(folder: Path, remedy: str = ANEW) -> list[str]:
    """Names of the files that the manifest of a folder names, relative to it.

    Raises:
        InputError: see `check_folder`.
    """
    check_folder(folder, remedy)
    return list(read_checked(folder / MANIFEST, _read_manifest, remedy))


def lies_in(folder: Path, name: str) -> bool:
    """Whether a name, taken relative to a folder, stays in it: by no `..`, root or link does it lead out."""
    try:
        return folder.resolve() in (folder / name).resolve().parents
    except (OSError, ValueError, RuntimeError):  # no name of a file, or links in a circle
        return False


def read_checked(path: Path, read: Callable[[Path], T], remedy: str = ANEW) -> T:
    """Reads a file, and says in one line when that cannot be done.

    Args:
        path: of the file.
        read: reads it, and makes of it what it stands for; its errors on damaged content become ours.
        remedy: what a user can do then, as the end of a sentence.

    Raises:
        InputError: no such file, an empty one, one beyond `MOST_BYTES`, or one that `read` cannot make sense of.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file; {remedy}")
        size = path.stat().st_size
        if size == 0:
            raise InputError(f"{path}: empty (0 bytes), it was written half; {remedy}")
        if size > MOST_BYTES:
            raise InputError(f"{path}: {size:,} bytes, at most {MOST_BYTES:,} are read; {remedy}")
        return read(path)
    except _UNREADABLE as error:
        if isinstance(error, OSError) and error.errno in _OF_WRITING:
            raise
        raise InputError(f"{path}: damaged or of another kind ({_first_line(error)}); {remedy}") from None


def parse_json(text: str) -> Any:
    r"""What a JSON text says, which may come from anyone.

    Raises:
        ValueError: it is no JSON, or holds half a character (`"\\ud800"`), which could be written nowhere.
    """
    found = json.loads(text)
    if "\\ud" in text.lower():
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    return found


def _read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    manifest = parse_json(path.read_text(encoding="utf-8"))
    version = manifest["format_version"]
    if version != FORMAT_VERSION:
        raise InputError(f"{path}: format {version}, this Copybandit reads {FORMAT_VERSION}; use the one that wrote it")
    return {
        name: {"size": int(seal["size"]), "sha256": str(seal["sha256"])} for name, seal in manifest["files"].items()
    }


def _fault(folder: Path, name: str, seal: dict[str, Any]) -> str:
    """What is wrong with a file, or nothing."""
    path = folder / name
    if not lies_in(folder, name):
        return "leads out of its folder"
    # Unlike `Path.is_file` it raises nothing at names that no file can have.
    if not os.path.isfile(path):
        return "missing"
    size = path.stat().st_size
    if size != seal["size"]:
        return f"torn: {size:,} bytes of {seal['size']:,}"
    return "" if _sha256(path) == seal["sha256"] else "altered since it was written"


def _seal(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> list[str]:
    """Names relative to the folder; a manifest that was copied along is written anew."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if name != MANIFEST)


def _beside(folder: Path, end: str) -> Path:
    return folder.with_name(f".{folder.name}.{end}")


def _to_disk(path: Path) -> None:
    """Waits until a file, or the names in a directory, are on the disk (directories: where the system can)."""
    if path.is_file():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    elif os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
