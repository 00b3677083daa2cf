"""The stages in which a writer learns: tuned, looked at on the way, chosen from, judged. Begin: `tune_writer.py`."""
