"""How the writer is tuned: one contract (`contract.py`), and all ways that keep it (`registry.py`). Only here is TRL
imported.
"""
