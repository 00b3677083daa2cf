"""One file, one command, one question; `cli.py` lists them. `study/`, `harness/` and `analysis/` are shared."""
