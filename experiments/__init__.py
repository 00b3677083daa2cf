"""One file, one command, one question."""
