"""How the writer is tuned: one contract (`contract.py`) and all ways that keep it, by name in `registry.py`. Only here is
TRL imported.
"""
