"""What is said to a user of what they gave: that it is no good, or how it was understood."""

import logging

understood = logging.getLogger("copybandit.understood")
"""Says at level INFO, in one line a file, what in it was not plain; the command line prints it."""


class InputError(Exception):
    """Bad input from a user: its message is one line that names the file, the row and the remedy."""
