"""The kit that experiments answer with: statistics, plots, the report."""
