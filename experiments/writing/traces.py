"""Traces of a machine and of people in the files of a folder: paths, its name, addresses, ids of a log."""

import gzip
import platform
import re
from collections.abc import Collection
from pathlib import Path

_PATH = re.compile(
    r"(?<![\w:/.}])/(?:home|root|Users|Volumes|mnt|media|data|tmp|var|opt|srv|workspace|private)/[\w.+-]+"
    r"|\b[A-Za-z]:\\+(?:Users|Documents and Settings|home|data)\\+[\w.+-]+"
)
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_TEXTS = (".json", ".md", ".txt", ".jinja", ".yaml", ".model")
_NAME = re.compile(r"[\w.@+-]+")
LONG = 6
"""Characters from which on an id, or the machine's name, is told from words."""


def traces(folder: Path, ids: Collection[str] = ()) -> dict[str, list[str]]:
    """What each file of a folder gives away, by its name; those that give nothing away are left out.

    Texts are read, unpacked where they are packed; of others (weights, graphs) the bytes are searched for the home
    directory, the folder's own place and the machine's name.

    Args:
        folder: of a checkpoint.
        ids: such as a log's user ids; those that are shorter than `LONG` are passed over.
    """
    known = {one for one in ids if len(one) >= LONG}
    needles = {"the home directory": str(Path.home()), "where the folder lies": str(folder.resolve().parent)}
    needles["the machine's name"] = platform.node()
    needles = {what: needle for what, needle in needles.items() if len(needle) >= LONG}
    found: dict[str, list[str]] = {}
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        told = [what for what, needle in needles.items() if needle.encode() in content]
        if path.suffix in (*_TEXTS, ".gz"):
            text = content.decode("utf-8", "replace")
            told += [f"a path, {match}" for match in sorted(set(_PATH.findall(text)))]
            told += [f"an address, {match}" for match in sorted(set(_ADDRESS.findall(text)))]
            if own := known & set(_NAME.findall(text)):
                told.append(f"{len(own):,} user id{'s' * (len(own) > 1)} of the log")
        if told:
            found[path.relative_to(folder).as_posix()] = told
    return found
