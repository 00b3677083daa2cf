"""A/B tests that someone ran: who wins, by how much, whether they were dealt as planned. Begin with `verdicts.py`."""
