"""Training feeds side by side: the same bytes, the same server, each in its own format and a process of its own."""
