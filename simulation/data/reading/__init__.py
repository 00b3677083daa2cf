"""How tables that people bring are read: packing, encodings, separators, numbers, times, totals; for `tables.py`."""
