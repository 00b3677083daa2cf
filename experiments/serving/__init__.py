"""The one loop in which visitors come and agents act (`serve.py`), and what is recorded along it."""
