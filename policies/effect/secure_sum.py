"""Secure sums: a server adds up what silos send and learns the sum alone, as every summand is hidden by masks.

After Bonawitz et al. (CCS 2017), for silos that all stay to the end. Every two of them share a secret that the server
has not. Of each secret both draw the same mask; one adds it and the other takes it off, so in the sum all masks are
gone. Numbers are fixed-point integers modulo 2^64, where a mask drawn evenly hides what it is added to perfectly.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.uint64]
Numbers = NDArray[np.float64]
BITS = 24
"""Binary digits after the point: a number is off by at most 2^-25."""


def encoded(values: Numbers, bits: int = BITS) -> Integers:
    """[k] numbers as integers modulo 2^64; those below 0 in two's complement.

    Raises:
        ValueError: a number is not finite, or so large that sums of it could wrap round.
    """
    if not np.all(np.abs(values) < 2.0 ** (48 - bits)):  # leaves room for 2^15 silos
        raise ValueError(f"a number is not finite or beyond 2^{48 - bits}: it cannot be summed safely")
    return np.rint(values * 2.0**bits).astype(np.int64).view(np.uint64)


def decoded(total: Integers, bits: int = BITS) -> Numbers:
    """What `encoded` numbers sum to."""
    return total.view(np.int64) / 2.0**bits


def mask(secret: bytes, turn: int, size: int) -> Integers:
    """[size] integers that two silos draw alike from what they share; every turn anew.

    SHAKE-256, so that without the secret they cannot be told from chance.
    """
    stream = hashlib.shake_256(secret + turn.to_bytes(8, "little")).digest(8 * size)
    return np.frombuffer(stream, dtype="<u8").astype(np.uint64)


def masked(values: Integers, silo: int, secrets: Mapping[int, bytes], turn: int) -> Integers:
    """What a silo sends: its numbers, plus the masks it shares with silos after it, less those with silos before.

    Args:
        values: [k] encoded.
        silo: its own number.
        secrets: by number of each other silo, what the two share.
        turn: number of the sum; a turn is never used twice.
    """
    sent = values.copy()
    for other, secret in secrets.items():
        shared = mask(secret, turn, len(values))
        sent = sent + shared if silo < other else sent - shared
    return sent


def summed(sent: Sequence[Integers]) -> Integers:
    """What the server does: adds modulo 2^64. It is no sum unless all silos have sent."""
    total = np.zeros_like(sent[0])
    for each in sent:
        total += each
    return total
