"""Agents that serve the same visitors: cells, standings, plots."""
