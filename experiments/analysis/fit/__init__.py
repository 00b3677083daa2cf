"""How well a fitted world agrees with what it was fitted to."""
