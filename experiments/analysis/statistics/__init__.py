"""Intervals, paired differences, tests that are watched while they run, and fronts of compromises."""
