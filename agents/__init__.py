"""Who decides placement: bandit agents on torch."""
