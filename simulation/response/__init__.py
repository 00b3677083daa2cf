"""What follows a slate: click models, rates, what stands between a visitor and a creative, money."""
