"""What several steps share, and what a step is too long to hold itself."""
