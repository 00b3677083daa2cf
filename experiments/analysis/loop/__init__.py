"""Writing and placing, as `loop` and `tune` leave them: what their figures say, plots and sections."""
