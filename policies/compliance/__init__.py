"""What may be published: rules of law and platforms as data, a user's own, and claims. Begin with `filter.py`."""
