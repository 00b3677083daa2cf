"""Archives of real A/B tests: reading them (`tests.py`), and worlds fitted to them."""
