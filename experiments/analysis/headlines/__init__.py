"""Real A/B tests: how well winners are named, and what placing texts earns."""
