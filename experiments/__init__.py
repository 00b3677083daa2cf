"""One file, one command, one question; `cli.py` lists them. `study/`, `harness/` and `analysis/` are shared.

`serving.py` is the one loop in which visitors come and agents act.
"""
