"""Configurations of `compare` and `offline`, one by one: are propensities exact, do intervals hold the truth?"""
