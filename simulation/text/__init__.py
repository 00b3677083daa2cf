"""How text is read: vectors, what simulated users make of an ad, word order, queries."""
