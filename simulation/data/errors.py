"""What is said to a user of what they gave: that it is no good, or how it was understood."""

import logging
import re

understood = logging.getLogger("copybandit.understood")
"""Says at level INFO, in one line a file, what in it was not plain; the command line prints it."""

LONGEST = 1000
"""Characters of a message; of a longer one, the middle is left out: the file stands first and the remedy last."""


class InputError(Exception):
    """Bad input from a user: its message is one line that names the file, the row and the remedy.

    What a file holds may stand in it: line breaks and signs that steer a terminal are written as escapes.
    """

    def __init__(self, message: object) -> None:
        """Takes the message."""
        super().__init__(one_line(str(message)))


def one_line(text: str) -> str:
    r"""A text of which a terminal makes one line, and nothing else.

    >>> one_line("two\nlines")
    'two\\nlines'
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|cannot allocate memory|bad_alloc", re.IGNORECASE)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: Python's, or that of torch on a CPU or a graphics card, which says it in words."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error))))
