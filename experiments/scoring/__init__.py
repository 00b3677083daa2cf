"""What `copybandit score` does: headlines by a predictor, ads by a run's effect model. Begin with `headlines.py`."""
