"""What each mode of a job takes, by the command that compares them."""
