"""Who writes: the writer, what it is rewarded for, and how it is tuned. Begin with `writer/writer.py`."""
