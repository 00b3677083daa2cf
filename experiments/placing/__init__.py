"""The stages in which texts are placed: once (`placement.py`), round by round, and while they are new."""
