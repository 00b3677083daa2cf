"""Agents of stable-baselines3 behind the contract of all agents. Begin with `agent.py`; importing it takes seconds."""
