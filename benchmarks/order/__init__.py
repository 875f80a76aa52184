"""What a shuffle by blocks costs in randomness, and what it gives in locality."""
