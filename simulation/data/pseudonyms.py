"""Pseudonyms: names of people that tell them apart inside one file, and lead back to nobody."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

DIGITS = 16
"""Hexadecimal digits of a pseudonym: of a million people, two share one with a chance of one in forty million."""


def fresh_key() -> bytes:
    """A key from the system's randomness, for one file: whoever makes it forgets it, and writes it nowhere."""
    return secrets.token_bytes(32)


def pseudonyms(ids: Iterable[object], key: bytes) -> list[str]:
    """Keyed hashes of ids: HMAC-SHA256 (RFC 2104), cut to `DIGITS` hexadecimal digits.

    Equal ids have equal pseudonyms under one key, and unrelated ones under another. Without the key a list of all
    possible ids is of no use to whom would try them out, as it is against a hash without one.

    Args:
        ids: n of them, taken as text.
        key: see `fresh_key`.

    Returns:
        n pseudonyms.
    """
    known: dict[str, str] = {}
    names = [str(one) for one in ids]
    for name in names:
        if name not in known:
            known[name] = hmac.new(key, name.encode("utf-8"), hashlib.sha256).hexdigest()[:DIGITS]
    return [known[name] for name in names]
