"""How the writer is tuned: one contract (`contract.py`), all ways that keep it by name (`registry.py`). Only here is TRL
imported.
"""
