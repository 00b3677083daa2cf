"""Who writes: the GPT-2 writer, what it is rewarded for, and how it is tuned."""
