"""Which of two headlines is clicked more: models learned from tests of texts, and the views they read."""
