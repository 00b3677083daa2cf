"""A page to play with a finished run: begin with `answers.py`, what may be asked; `server.py` lets a browser ask."""
