"""The kit that experiments answer with: a folder a topic, each with its figures, plots and sections of the report."""
