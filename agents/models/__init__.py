"""What an agent believes of each creative: counts, linear, logistic and neural models. Begin with `posterior.py`."""
