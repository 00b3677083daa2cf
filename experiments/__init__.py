"""One file, one command, one question; `cli.py` lists them. `serving.py` is the loop in which visitors come and agents act. `study/`, `harness/` and `analysis/` are shared."""
