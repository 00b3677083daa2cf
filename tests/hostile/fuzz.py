"""What hostile inputs are made of: a seed says which, and a failure says the seed.

COPYBANDIT_FUZZ multiplies their number: 1 by default, 100 for a long run. The same number tries the same inputs first.
"""

import copy
import json
import os
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from copybandit.simulation.data.errors import InputError

TIMES = float(os.environ.get("COPYBANDIT_FUZZ", "1"))
SPECIAL = [
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\n", b'"', b",", b";", b"\t", b"|", b"=", b"\x1b[2J"),
    *(
        "\u202e".encode(),
        "\u200b".encode(),
        b"1e999",
        b"-1",
        b"nan",
        b"9" * 40,
        b"9" * 5000,
        b"0x1F",
        b"12%",
        b"\x1f\x8b",
    ),
]
VALUES: list[Any] = [
    *(
        None,
        True,
        -1,
        0,
        10**12,
        2**63,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "../../etc/passwd",
        "a\0b",
    ),
    *("\ud800", "\u202e", "$\\frac", "=1+1", [], {}, [[]], [1], {"a": 1}, {"<tensor>": "x"}, "9999-01-01", "<script>"),
]


def damaged(data: bytes, seed: int) -> bytes:
    """Bytes flipped, put in, taken out, doubled, moved or cut, one to four times."""
    draw, out = random.Random(seed), bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(out) + 1)
        to = min(len(out), at + draw.choice((1, 1, 4, 30)))
        match draw.randrange(6):
            case 0 if at < len(out):
                out[at] ^= 1 << draw.randrange(8)
            case 1:
                out[at:at] = draw.choice(SPECIAL)
            case 2:
                del out[at:to]
            case 3:
                out[at:at] = out[at:to] * draw.choice((1, 2, 50))
            case 4 if draw.random() < 0.3:
                del out[at:]
            case _:
                other = draw.randrange(len(out) + 1)
                out[at:to] = out[other : other + draw.choice((1, 8))]
    return bytes(out)


def twisted(value: Any, seed: int) -> Any:
    """The same structure with one to three nodes of another kind, gone, doubled or under another name."""
    draw, out = random.Random(seed), copy.deepcopy(value)
    for _ in range(draw.randint(1, 3)):
        into = out
        while isinstance(into, dict | list) and into:
            key = draw.choice(list(into)) if isinstance(into, dict) else draw.randrange(len(into))
            if not (isinstance(into[key], dict | list) and into[key]) or draw.random() < 0.2:
                match draw.randrange(8):
                    case 0:
                        del into[key]
                    case 1 if isinstance(into, dict):
                        into[draw.choice(["", "x", "../y", "a.b"])] = into.pop(key)
                    case 2 if isinstance(into, list):
                        into += into * draw.choice((1, 3))
                    case _:
                        into[key] = copy.deepcopy(draw.choice(VALUES))
                break
            into = into[key]
    return out


def tried(name: str, read: Callable[[int], object], count: int) -> None:
    """Reads `count * COPYBANDIT_FUZZ` inputs; each gives a result, or one line.

    Args:
        name: of the reader, for the counts (COPYBANDIT_FUZZ_COUNTS names a file that they are added to).
        read: makes the input of a seed and reads it.
        count: of inputs.
    """
    refused, unclear, total = 0, [], max(1, round(count * TIMES))
    for seed in range(total):
        try:
            read(seed)
        except InputError as error:
            refused += 1
            unclear += [] if one_line(error) else [f"{name}, seed {seed}: {error!r}"]
        except BaseException as error:
            raise AssertionError(f"{name}, seed {seed}: {type(error).__name__}: {error}") from error
    assert not unclear, unclear[0]
    if file := os.environ.get("COPYBANDIT_FUZZ_COUNTS"):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        with Path(file).open("a") as counts:
            counts.write(json.dumps({"reader": name, "tried": total, "refused": refused, "peak_mb": peak}) + "\n")


def one_line(error: InputError) -> bool:
    return str(error).isprintable() and 0 < len(str(error)) < 12_000


def refusal(read: Callable[..., object], *given: object) -> InputError:
    """What is said of input that has to be refused."""
    with pytest.raises(InputError) as found:
        read(*given)
    return found.value
