"""What a text is worth to the writer: the reward's terms, diversity, attacks, and which texts are kept."""
