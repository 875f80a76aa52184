"""How long the trainer waits while a checkpoint is written."""
