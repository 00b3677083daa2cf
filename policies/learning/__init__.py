"""How a writer learns from texts that it is given: warm start, adapters, rates, memory. Begin with `warm_start.py`."""
