"""The GPT-2 writer: sampling, likelihood, warm start, adapters, checkpoints. Begin with `writer.py`."""
