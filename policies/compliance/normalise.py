"""A text as a reader sees it, however it was spelled, and where in the original each character of it stands."""

import re
import unicodedata
from dataclasses import dataclass

HOMOGLYPHS = dict(zip("аеорсухіјѕһԁԛԝкмтвнαοειυρντκ", "aeopcyxijshdqwkmtbhaoeiupvtk", strict=True))
"""Cyrillic and Greek letters by the Latin ones they look like (Unicode Technical Standard 39, confusables)."""
LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"}
_SPACED = re.compile(r"(?<![\w'])[a-z](?:([ ._*-])[a-z])(?:\1[a-z])+(?![\w'])")
_MIXED = re.compile(r"(?<![\w$@!])(?=[\d$@!]*[a-z])[a-z\d$@!]*[\d$@!][a-z\d$@!]*[a-z][a-z\d$@!]*")


@dataclass(frozen=True)
class Folded:
    """A casefolded text without tricks of spelling."""

    text: str
    places: tuple[int, ...] | None
    """[len(text)] the place of each character in the original; None where it is its own."""
    original: str

    def said(self, begin: int, end: int) -> str:
        """The words of the original behind text[begin:end], which is not empty."""
        if self.places is None:
            return self.original[begin:end].strip()
        return self.original[self.places[begin] : self.places[end - 1] + 1].strip()


def folded(text: str) -> Folded:
    """NFKC, casefold, look-alikes as Latin in words that hold Latin, no zero-width characters, spaced words closed."""
    if text.isascii():
        plain, places = text.lower(), None
    else:
        plain, places = _unicode(text)
    return _closed(Folded(plain, places, text))


def deleeted(text: Folded) -> Folded:
    """Digits and signs inside words as the letters they stand for: «sh1t»; numbers stay."""
    plain = _MIXED.sub(lambda word: "".join(LEET.get(c, c) for c in word[0]), text.text)
    return Folded(plain, text.places, text.original)


def _unicode(text: str) -> tuple[str, tuple[int, ...]]:
    letters, places = [], []
    for place, character in enumerate(text):
        if unicodedata.category(character) == "Cf":
            continue
        for one in unicodedata.normalize("NFKC", character).casefold():
            letters.append({"’": "'", "‘": "'"}.get(one, one))
            places.append(place)
    plain = "".join(letters)

    # A word of one foreign script is that language's own word, unless all of it looks Latin.
    def unmasked(word: re.Match[str]) -> str:
        latin = "".join(HOMOGLYPHS.get(letter, letter) for letter in word[0])
        return latin if latin.isascii() else word[0]

    seen = re.sub(r"[^\W\d_]+", unmasked, plain)
    return seen, tuple(places)


def _closed(text: Folded) -> Folded:
    """«f r e e» as «free»: three single letters or more with the same mark between them."""
    if not _SPACED.search(text.text):
        return text
    kept = [True] * len(text.text)
    for found in _SPACED.finditer(text.text):
        for place in range(found.start() + 1, found.end(), 2):
            kept[place] = False
    places = text.places or tuple(range(len(text.text)))
    left = [place for place, keep in enumerate(kept) if keep]
    return Folded("".join(text.text[i] for i in left), tuple(places[i] for i in left), text.original)
