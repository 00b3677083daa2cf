"""What stands between an agent and its traffic: retrieval, caps in a slate, budgets, feedback that comes late."""
