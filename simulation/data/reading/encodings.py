"""Bytes to text: Unicode by its marks or its strict form, older encodings only where nothing else can be meant."""

import codecs
import re

_MARKS = {
    codecs.BOM_UTF8: ("utf-8-sig", "UTF-8"),
    codecs.BOM_UTF32_LE: ("utf-32", "UTF-32"),
    codecs.BOM_UTF32_BE: ("utf-32", "UTF-32"),
    codecs.BOM_UTF16_LE: ("utf-16", "UTF-16"),
    codecs.BOM_UTF16_BE: ("utf-16", "UTF-16"),
}

# Letters that languages of cp1252 use together. Czech, Polish, Hungarian or Turkish bytes, read as cp1252, mix them.
_TOGETHER = tuple(map(frozenset, ("àâäæçèéêëîïôöœùûüß", "áàâãçéêèíìïñóòôõúùü", "åäöæøéüèàô")))
_SIGNS = frozenset("’‘“”„‚–—…•·€£¥§©®™°«»×½¼¾²³ºª¿¡±µ\xa0")
_BEFORE_LETTERS = frozenset("’‘“”„‚–—…•·§©«»×¿¡±µ\xa0")
_INSIDE_WORDS = frozenset("’·–—\xa0")
_PAIRS = frozenset(("öß", "üß", "äß", "çã", "çõ", "çà", "éé", "ïé"))
_UNLIKELY = re.compile(
    # Where Western languages do not have these letters: Hungarian ő, Czech ě and ů, Polish ś read so.
    r"[õÕ](?![eE])|[ìùÌÙ](?=\w)|[œŒ](?![uiedUIED])|(?<=[a-zà-ÿ])[À-ß](?<!ß)"
)


def decode(data: bytes) -> tuple[str, str]:
    """The text of a file and the name of its encoding.

    Tried are UTF-8, UTF-16 and UTF-32 by their byte order mark, and UTF-8 without one. What is none of these is read as
    cp1252 (which holds Latin-1) or GB18030 where it is plausible in the one and in nothing else that is in use.

    Raises:
        UnicodeDecodeError: neither; `start` is the first wrong byte, `reason` says so in words.
    """
    marked = next((kind for mark, kind in _MARKS.items() if data.startswith(mark)), None)
    codec, name = marked or ("utf-8", "UTF-8")
    if name == "UTF-8" and (start := data.find(b"\0")) >= 0:
        raise UnicodeDecodeError(codec, data, start, start + 1, "zero bytes: UTF-16 without its mark, or no text")
    try:
        text = data.decode(codec)
        if "\0" in text:
            raise UnicodeDecodeError(codec, data, 0, 1, "zero characters: no text")
        return text, name
    except UnicodeDecodeError as error:
        if "zero" in error.reason:
            raise
        if marked is None and _is_chinese(data):
            return data.decode("gb18030"), "GB18030"
        if marked is None and _is_western(data):
            return data.decode("cp1252"), "cp1252"
        reason = f"not {name}" + (", as it begins" if marked else ", nor surely anything else")
        raise UnicodeDecodeError(codec, data, error.start, error.end, reason) from None


def _is_western(data: bytes) -> bool:
    """Whether every byte above ASCII is, in cp1252, a letter or sign where Western European text would have it."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    if _UNLIKELY.search(text):
        return False
    letters = set()
    for found in re.finditer(r"[^\x00-\x7f]", text):
        sign, before, after = found[0], text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
        if sign in _SIGNS:
            inside = before.isalpha() and after.isalpha() and sign not in _INSIDE_WORDS
            if inside or (after.isalpha() and sign not in _BEFORE_LETTERS):
                return False
        else:
            letters.add(sign.lower())
            if after > "\x7f" and after.isalpha() and sign + after not in _PAIRS:
                return False
    return any(letters <= together for together in _TOGETHER)


def _is_chinese(data: bytes) -> bool:
    """Whether it reads in GB18030 as everyday Chinese: nearly all characters among the 3,755 of GB 2312's first level.

    Big5 and Shift-JIS, read so, give rare characters; Korean (EUC-KR) stays in the first half of the level; Japanese
    has kana.
    """
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return False
    rows = []
    for sign in re.findall(r"[^\x00-\x7f]", text):
        code = sign.encode("gb18030")
        rows.append(code[0] if len(code) == 2 and code[1] >= 0xA1 else 0)
    hanzi = [row for row in rows if row not in (0xA1, 0xA3)]  # without punctuation and full-width forms
    common = sum(0xB0 <= row <= 0xD7 for row in hanzi)
    rare = sum(0xD8 <= row <= 0xF7 for row in hanzi)
    return (
        len(hanzi) >= 2
        and common >= 0.85 * len(hanzi)
        and common + rare >= 0.97 * len(hanzi)
        and any(0xC9 <= row <= 0xD7 for row in hanzi)
    )
