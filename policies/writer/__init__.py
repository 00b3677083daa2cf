"""The GPT-2 writer: loading, prompts, sampling, likelihood, checkpoints. Begin with `writer.py`."""
