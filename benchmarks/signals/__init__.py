"""Signals to a job and to each of its processes, at random moments."""
