"""The base of the writer: a small GPT-2 that has read product copy. Begin with `pretrain.py`."""
