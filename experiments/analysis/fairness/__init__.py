"""Who is shown what, and whose products are shown: exposure by group, its gaps, its price, and words that differ."""
