"""Real parts for tests: datasets, servers, processes."""
