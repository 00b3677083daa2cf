"""What the gold's readers take for garbled. Begin with `garbled.py`; `copybandit reader` makes `weights/`."""
