"""Clips of video and sound: which of some classes they are, such as advertisements and games."""
