"""The parts of `copybandit benchmark`: peers, speed, cost, coverage, recovery."""
