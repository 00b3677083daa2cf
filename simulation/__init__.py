"""The simulated world. Begin with `world.py` (visitors come, respond) and `scenario.py` (a world as data)."""
