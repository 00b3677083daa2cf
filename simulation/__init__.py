"""The simulated world: catalog, audience, traffic, response; no learning in it."""
