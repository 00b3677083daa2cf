"""A world fitted to a log: what moves clicks and conversions there, and how surely. Begin with `fit.py`."""
