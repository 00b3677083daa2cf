"""Who decides placement: bandit agents on torch. Begin with `agent.py` (the contract) and `registry.py` (names)."""
