"""What each step takes: declarations alone, which import nothing that works."""
