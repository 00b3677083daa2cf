"""What a run is about before a writer learns: world, prompts, effect model. Begin with `study.py`."""
