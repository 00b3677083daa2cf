"""What is raised when what a user gave is no good."""


class InputError(Exception):
    """Bad input from a user: its message is one line that names the file, the row and the remedy."""
