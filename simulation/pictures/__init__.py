"""Pictures of products: read from files or drawn, what they look like, and what simulated users see in them."""
