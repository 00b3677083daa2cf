"""One file, one command, one question; `cli.py` lists them.

Below the commands: `study/`, `writing/` and `placing/` are the stages that commands share, `analysis/` answers,
`serving/` is the one loop in which visitors come and agents act, `harness/` is what every command has.
"""
