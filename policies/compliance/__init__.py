"""What may be published: rules of law and platforms as data, and a user's own. Begin with `filter.py`."""
