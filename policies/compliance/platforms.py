"""Limits of a platform: how long a text may be, and which marks it may hold."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ...simulation.data.catalog import Product
from ...simulation.data.errors import InputError
from ...simulation.text.characters import characters

_CAPITALS = re.compile(r"\b[A-Z]{2,}\b")
_REPEATED = re.compile(r"([!?.,;:！？。，])\1+")
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55]")


@cache
def _known() -> dict[str, Any]:
    return yaml.safe_load((Path(__file__).parent / "platforms.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Platform:
    """What one place for texts allows."""

    characters: int
    """The most."""
    wide: bool
    """Whether a character of double width counts twice."""
    exclamation: bool
    repeated_marks: bool
    capitals: bool
    emoji: bool

    @classmethod
    def of(cls, name: str) -> "Platform":
        """A built-in platform.

        Raises:
            InputError: there is none of that name.
        """
        if name not in _known()["platforms"]:
            raise InputError(f"platform '{name}' is not known; choose from {', '.join(_known()['platforms'])}")
        return cls(**_known()["platforms"][name])

    def broken(self, text: str, product: Product) -> list[tuple[str, str, str]]:
        """Rule, words and remedy of each limit that a text breaks."""
        found = []
        size = characters(text) if self.wide else len(unicodedata.normalize("NFC", text))
        if size > self.characters:
            found.append(("length", text, f"Shorten it from {size} to {self.characters} characters."))
        if not self.exclamation and (mark := re.search("[!！]", text)):
            found.append(("exclamation", mark[0], "Leave the exclamation mark out."))
        if not self.repeated_marks and (marks := _REPEATED.search(text)):
            found.append(("repeated-marks", marks[0], "One mark at a time."))
        if not self.emoji and (emoji := _EMOJI.search(text)):
            found.append(("emoji", emoji[0], "Leave the emoji out."))
        if not self.capitals:
            own = {*_known()["acronyms"], *_CAPITALS.findall(f"{product.title} {product.brand}")}
            found += [("capitals", w, "Write it in small letters.") for w in _CAPITALS.findall(text) if w not in own]
        return found
