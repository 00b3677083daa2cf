"""The report of a run: one HTML file (`page.py`), made of sections and plots from the run's files alone."""
