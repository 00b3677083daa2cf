"""The effect model: what a text does for clicks and conversions, learned from logged feedback alone."""
