"""The article's recipe: its linear effect model and its generator of phrases."""
